#include <memory>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/json.h"
#include "cli/paths.h"

namespace ember::cli {
namespace {

struct Options {
  std::string name;
  std::string path;
  uint64_t size = 0;  // bytes
};

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  v1::ImportImageRequest request;
  request.set_name(options.name);
  request.set_path(PathForDaemon(options.path));
  request.set_size_bytes(options.size);
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  Progress progress(invocation.progress_style());
  progress.Step("importing image '" + options.name + "'");
  ASSIGN_OR_RETURN(const v1::Image image, client->ImportImage(request, {.progress = &progress}));
  progress.Clear();
  invocation.Print(invocation.format() == Format::kJson ? JsonText(image) : image.name() + "\n");
  return kDone;
}

}  // namespace

Action DefineImageImport(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("NAME", options->name, "What it is to be called: debian, team/app:2");
  arguments.Positional("PATH", options->path,
                       "A tar file (also .gz, .xz, .zst) or a directory with a root filesystem");
  arguments.Size("--size", options->size, "Of the filesystem (default: what the content needs)");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
