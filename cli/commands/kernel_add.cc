#include <memory>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/json.h"
#include "cli/paths.h"

namespace ember::cli {
namespace {

struct Options {
  std::string source;
  std::string name;
  std::string modules;
};

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  v1::AddKernelRequest request;
  // The word is Debian's kernel; a file of that name is ./debian.
  request.set_source(options.source == "debian" ? options.source : PathForDaemon(options.source));
  request.set_name(options.name);
  if (!options.modules.empty()) request.set_modules(PathForDaemon(options.modules));
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
  arguments.Positional("SOURCE", options->source, "debian, or the path of a kernel");
  arguments.Text("--name", "NAME", options->name, "What to call it (default: after its source)");
  arguments.Text("--modules", "DIR", options->modules,
                 "Its lib/modules/VERSION directory; only with a path");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
