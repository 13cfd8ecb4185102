#include <memory>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/image_calls.h"
#include "cli/json.h"
#include "cli/paths.h"

namespace ember::cli {
namespace {

struct Options {
  std::string name;
  std::string path;
};

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  v1::SaveImageRequest request;
  request.set_name(options.name);
  request.set_path(PathForDaemon(options.path));
  request.set_format(invocation.options().format == "docker" ? v1::SaveImageRequest::DOCKER_ARCHIVE
                                                             : v1::SaveImageRequest::OCI_ARCHIVE);
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  Progress progress(invocation.progress_style());
  progress.Step("saving image '" + options.name + "'");
  ASSIGN_OR_RETURN(const v1::SavedImage saved,
                   SaveImage(*client, request, {.progress = &progress}));
  progress.Clear();
  invocation.Print(invocation.format() == Format::kJson ? JsonText(saved) : saved.path() + "\n");
  return kDone;
}

}  // namespace

Action DefineImageSave(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("NAME", options->name, "The image");
  arguments.Text("-o,--output", "FILE", options->path, "A new file", Need::kRequired);
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
