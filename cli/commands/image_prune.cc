#include <memory>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/commands/usage_text.h"
#include "cli/exit_code.h"
#include "cli/image_calls.h"
#include "cli/json.h"

namespace ember::cli {
namespace {

struct Options {
  bool all = false;
  bool dry_run = false;
};

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  v1::PruneImagesRequest request;
  request.set_all(options.all);
  request.set_dry_run(options.dry_run);
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  Progress progress(invocation.progress_style());
  progress.Step("pruning images");
  ASSIGN_OR_RETURN(const v1::PruneImagesResponse pruned,
                   PruneImages(*client, request, {.progress = &progress}));
  progress.Clear();
  if (invocation.format() == Format::kJson) {
    invocation.Print(JsonText(pruned));
    return kDone;
  }
  for (const std::string& image : pruned.images()) invocation.Print(image + "\n");
  for (const std::string& blob : pruned.blobs()) invocation.Print(blob + "\n");
  invocation.Note((options.dry_run ? "would free " : "freed ") + MibText(pruned.freed_bytes()));
  return kDone;
}

}  // namespace

Action DefineImagePrune(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Flag("--all", options->all, "Images with a name, too, when no VM was made from them");
  arguments.Flag("--dry-run", options->dry_run, "Only say what would be deleted");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
