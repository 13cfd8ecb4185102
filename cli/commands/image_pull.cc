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
  std::string reference;
  std::string name;
  std::string auth_file;
  bool plain_http = false;
  uint64_t size = 0;  // bytes
};

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  v1::PullImageRequest request;
  request.set_reference(options.reference);
  request.set_name(options.name);
  if (!options.auth_file.empty()) request.set_auth_file(PathForDaemon(options.auth_file));
  request.set_plain_http(options.plain_http);
  request.set_size_bytes(options.size);
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  Progress progress(invocation.progress_style());
  progress.Step("pulling image '" + options.reference + "'");
  ASSIGN_OR_RETURN(const v1::Image image, PullImage(*client, request, {.progress = &progress}));
  progress.Clear();
  invocation.Print(invocation.format() == Format::kJson ? JsonText(image) : image.name() + "\n");
  return kDone;
}

}  // namespace

Action DefineImagePull(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("REF", options->reference,
                       "As for docker: alpine, alpine:3.19, host:5000/team/app:2");
  arguments.Text("--as", "NAME", options->name, "What it is to be called here (default: as there)");
  arguments.Text("--auth-file", "FILE", options->auth_file,
                 "Credentials, as 'skopeo login' writes them (default: where skopeo looks)");
  arguments.Flag("--plain-http", options->plain_http,
                 "The registry has no TLS, or a certificate that nobody signed");
  arguments.Size("--size", options->size, "Of the filesystem (default: what the content needs)");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
