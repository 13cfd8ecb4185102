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
  std::string path;
  std::string name;
  uint64_t size = 0;  // bytes
};

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  v1::LoadImageRequest request;
  request.set_path(PathForDaemon(options.path));
  request.set_name(options.name);
  request.set_size_bytes(options.size);
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  Progress progress(invocation.progress_style());
  progress.Step("loading images from '" + options.path + "'");
  ASSIGN_OR_RETURN(const v1::Image image, LoadImage(*client, request, {.progress = &progress}));
  progress.Clear();
  invocation.Print(invocation.format() == Format::kJson ? JsonText(image) : image.name() + "\n");
  return kDone;
}

}  // namespace

Action DefineImageLoad(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("FILE", options->path,
                       "An archive of 'ember image save', 'docker save' or 'podman save'");
  arguments.Text("--name", "NAME", options->name,
                 "What its one image is to be called (default: what the archive says)");
  arguments.Size("--size", options->size, "Of the filesystem (default: what the content needs)");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
