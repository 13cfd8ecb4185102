#include <memory>
#include <string>

#include "base/status.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/fork_calls.h"
#include "cli/proto_duration.h"
#include "cli/snapshot_json.h"

namespace ember::cli {
namespace {

struct Options {
  std::string vm;
  std::string name;
};

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  v1::CreateSnapshotRequest request;
  request.set_vm(options.vm);
  request.set_name(options.name);
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  Progress progress(invocation.progress_style());
  progress.Step(fmt::format("taking a snapshot of vm '{}'", options.vm));
  ASSIGN_OR_RETURN(const v1::Snapshot snapshot,
                   CreateSnapshot(*client, request, {.progress = &progress}));
  progress.Clear();
  if (snapshot.has_frozen()) {
    invocation.Note(fmt::format("its file systems stood still for {:.1f} ms",
                                MillisecondsOf(snapshot.frozen())));
  }
  const bool json = invocation.format() == Format::kJson;
  invocation.Print(json ? JsonText(snapshot) : snapshot.name() + "\n");
  return kDone;
}

}  // namespace

Action DefineSnapshotCreate(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("VM", options->vm, "The VM; it may run, and stands still for a moment");
  arguments.Positional("NAME", options->name,
                       "1 to 63 of a-z, 0-9 and '-' (default: made from the time)",
                       Need::kOptional);
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
