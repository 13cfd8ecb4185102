#include <fmt/format.h>

#include <memory>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/commands/usage_text.h"
#include "cli/exit_code.h"
#include "cli/usage_calls.h"

namespace ember::cli {
namespace {

uint64_t BytesOf(const v1::PruneStorageResponse& pruned) {
  uint64_t bytes = 0;
  for (const auto& removed : pruned.removed()) bytes += removed.bytes();
  return bytes;
}

absl::StatusOr<int> Run(bool dry_run, Invocation& invocation) {
  v1::PruneStorageRequest request;
  request.set_dry_run(dry_run);
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  ASSIGN_OR_RETURN(const v1::PruneStorageResponse pruned, PruneStorage(*client, request));
  const bool json = invocation.format() == Format::kJson;
  if (json || pruned.removed_size() > 0) {
    invocation.Print(json ? PrunedJsonText(pruned) : PrunedText(pruned));
  }
  invocation.Note(fmt::format("{} {} thing(s), {}", dry_run ? "would remove" : "removed",
                              pruned.removed_size(), MibText(BytesOf(pruned))));
  return kDone;
}

}  // namespace

Action DefineStoragePrune(Arguments& arguments) {
  auto dry_run = std::make_shared<bool>(false);  // shared: the action outlives this call
  arguments.Flag("--dry-run", *dry_run, "Only show what would go");
  return [dry_run](Invocation& invocation) { return Run(*dry_run, invocation); };
}

}  // namespace ember::cli
