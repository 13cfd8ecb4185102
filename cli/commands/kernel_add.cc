#include <memory>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/kernel_json.h"
#include "cli/paths.h"

namespace ember::cli {
namespace {

struct Options {
  std::string source;
  std::string name;
  std::string modules;
  std::string sha256;
};

// Words and addresses are as they are; anything else is a path. A file that is called like a word
// is ./debian.
std::string SourceForDaemon(const std::string& source) {
  const bool word = source == "debian" || source == "host" || source.starts_with("debian:");
  const bool address = source.starts_with("http://") || source.starts_with("https://");
  return word || address ? source : PathForDaemon(source);
}

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  v1::AddKernelRequest request;
  request.set_source(SourceForDaemon(options.source));
  request.set_name(options.name);
  if (!options.modules.empty()) request.set_modules(PathForDaemon(options.modules));
  request.set_sha256(options.sha256);
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  Progress progress(invocation.progress_style());
  progress.Step("adding kernel '" + options.source + "'");
  ASSIGN_OR_RETURN(const v1::Kernel kernel, client->AddKernel(request, {.progress = &progress}));
  progress.Clear();
  invocation.Print(invocation.format() == Format::kJson ? JsonText(kernel) : kernel.name() + "\n");
  return kDone;
}

}  // namespace

Action DefineKernelAdd(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional(
      "SOURCE", options->source,
      "debian, debian:SUITE, host (the kernel that this host runs), or the path or the "
      "http(s) address of a kernel");
  arguments.Text("--name", "NAME", options->name, "What to call it (default: after its source)");
  arguments.Text("--modules", "DIR", options->modules,
                 "Its lib/modules/VERSION directory; only with a path or an address");
  arguments.Text("--sha256", "DIGEST", options->sha256,
                 "What the digest of the file at the path or the address must be");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
