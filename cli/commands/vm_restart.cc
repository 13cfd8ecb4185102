#include <memory>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/commands/vm_text.h"
#include "cli/exit_code.h"
#include "cli/json.h"
#include "cli/proto_duration.h"

namespace ember::cli {
namespace {

struct Options {
  std::string name;
  bool force = false;
  std::optional<absl::Duration> grace;
  std::optional<absl::Duration> wait = absl::Seconds(90);
};

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  v1::RestartVmRequest request;
  request.set_name(options.name);
  request.set_force(options.force);
  if (options.grace.has_value()) *request.mutable_grace() = ToProto(*options.grace);
  *request.mutable_agent_wait() = ToProto(*options.wait);
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  const absl::Time start = absl::Now();
  Progress progress(invocation.progress_style());
  progress.Step("restarting vm '" + options.name + "'");
  ASSIGN_OR_RETURN(const v1::Vm vm, client->RestartVm(request, {.progress = &progress}));
  progress.Clear();
  NoteOutcome(invocation, vm,
              *options.wait > absl::ZeroDuration() ? AgentWait::kAwaited : AgentWait::kSkipped,
              absl::Now() - start);
  invocation.Print(invocation.format() == Format::kJson ? JsonText(vm) : vm.name() + "\n");
  return kDone;
}

}  // namespace

Action DefineVmRestart(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("NAME", options->name, "The VM; one that is off is started");
  arguments.Flag("--force", options->force, "Kill it instead of asking it to shut down");
  arguments.Duration("--grace", options->grace,
                     "How long it may take to shut down before it is killed (default 20)");
  arguments.Duration("--wait", options->wait,
                     "How long to wait for the agent (default 90, 0 skips)");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
