#include <memory>

#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/json.h"

namespace ember::cli {
namespace {

struct Options {
  std::string name;
  std::string from;
  std::vector<std::string> packages;  // each may be a list with commas
  uint64_t size = 0;                  // bytes
};

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  v1::BuildImageRequest request;
  request.set_name(options.name);
  request.set_from(options.from);
  request.set_size_bytes(options.size);
  for (const std::string& list : options.packages) {
    for (const absl::string_view package :
         absl::StrSplit(list, absl::ByAnyChar(", "), absl::SkipEmpty())) {
      request.add_packages(package.data(), package.size());
    }
  }
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  Progress progress(invocation.progress_style());
  progress.Step("building image '" + options.name + "'");
  ASSIGN_OR_RETURN(const v1::Image image, client->BuildImage(request, {.progress = &progress}));
  progress.Clear();
  invocation.Print(invocation.format() == Format::kJson ? JsonText(image) : image.name() + "\n");
  return kDone;
}

}  // namespace

Action DefineImageBuild(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("NAME", options->name, "1 to 63 of a-z, 0-9, '.', '_' and '-'");
  arguments.Text("--from", "SOURCE", options->from, "busybox, or debian:SUITE", Need::kRequired);
  arguments.Repeated("--packages", "A,B,…", options->packages,
                     "Debian packages to add (repeatable)");
  arguments.Size("--size", options->size, "Of the filesystem (default: what the content needs)");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
