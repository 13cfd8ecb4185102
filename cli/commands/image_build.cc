#include <map>
#include <memory>

#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/json.h"
#include "cli/paths.h"

namespace ember::cli {
namespace {

struct Options {
  std::string name;
  std::string context;
  std::string dockerfile;
  std::map<std::string, std::string> build_args;
  std::string target;
  std::string from;
  std::vector<std::string> packages;  // each may be a list with commas
  uint64_t size = 0;                  // bytes
};

absl::Status CheckOptions(const Options& options) {
  const bool docker_words = !options.context.empty() || !options.dockerfile.empty() ||
                            !options.build_args.empty() || !options.target.empty();
  if (!options.from.empty() && docker_words) {
    return WithHint(InvalidArgument("an image is built from a Dockerfile or with --from, not both"),
                    "leave out --from, or CONTEXT, -f, --build-arg and --target");
  }
  if (options.from.empty() && !options.packages.empty()) {
    return WithHint(InvalidArgument("--packages goes with --from"),
                    "say '--from debian:bookworm', or install them in the Dockerfile");
  }
  return absl::OkStatus();
}

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  RETURN_IF_ERROR(CheckOptions(options));
  v1::BuildImageRequest request;
  request.set_name(options.name);
  request.set_from(options.from);
  request.set_size_bytes(options.size);
  if (options.from.empty()) {
    request.set_context(PathForDaemon(options.context.empty() ? "." : options.context));
    if (!options.dockerfile.empty()) request.set_dockerfile(PathForDaemon(options.dockerfile));
    request.mutable_build_args()->insert(options.build_args.begin(), options.build_args.end());
    request.set_target(options.target);
  }
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
  arguments.Positional("NAME", options->name, "What it is to be called: debian, team/app:2");
  arguments.Positional("CONTEXT", options->context,
                       "The folder with the Dockerfile and what it copies (default: .)",
                       Need::kOptional);
  arguments.Text("-f,--file", "FILE", options->dockerfile,
                 "The Dockerfile (default: Containerfile or Dockerfile in CONTEXT)");
  arguments.Pairs("--build-arg", options->build_args, "Value of an ARG (repeatable)");
  arguments.Text("--target", "STAGE", options->target, "Stage to build (default: the last one)");
  arguments.Text("--from", "SOURCE", options->from,
                 "busybox, or debian:SUITE: without a Dockerfile");
  arguments.Repeated("--packages", "A,B,…", options->packages,
                     "Debian packages to add (repeatable)");
  arguments.Size("--size", options->size, "Of the filesystem (default: what the content needs)");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
