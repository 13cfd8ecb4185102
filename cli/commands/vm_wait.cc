#include <memory>

#include "base/status.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/duration.h"
#include "cli/exit_code.h"
#include "cli/json.h"

namespace ember::cli {
namespace {

struct Options {
  std::string name;
  std::string condition = "agent";
  std::optional<absl::Duration> timeout;
};

// The call's deadline is ours, so its expiry gets our words.
absl::Status Explain(const absl::Status& status, const Options& options) {
  if (!absl::IsDeadlineExceeded(status) || !options.timeout.has_value()) return status;
  const bool agent = options.condition == "agent";
  return WithHint(DeadlineExceeded("vm '{}': {} within {}", options.name,
                                   agent ? "agent did not answer" : "did not stop",
                                   FormatElapsed(*options.timeout)),
                  agent ? fmt::format("ember vm console {}", options.name)
                        : fmt::format("ember vm stop {} --force", options.name));
}

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  v1::WaitVmRequest request;
  request.set_name(options.name);
  const bool agent = options.condition == "agent";
  request.set_condition(agent ? v1::WaitVmRequest::AGENT_READY : v1::WaitVmRequest::STOPPED);
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  Progress progress(invocation.progress_style());
  progress.Step(
      fmt::format("waiting for vm '{}' {}", options.name, agent ? "and its agent" : "to stop"));
  const auto vm = client->WaitVm(
      request,
      {.limit = options.timeout.value_or(absl::InfiniteDuration()), .progress = &progress});
  progress.Clear();
  if (!vm.ok()) return Explain(vm.status(), options);
  invocation.Print(invocation.format() == Format::kJson ? JsonText(*vm) : vm->name() + "\n");
  return kDone;
}

}  // namespace

Action DefineVmWait(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("NAME", options->name, "The VM");
  arguments.Choice("--for", {"agent", "stopped"}, options->condition,
                   "The agent is ready (default), or the VM has stopped or failed");
  arguments.Duration("--timeout", options->timeout, "Give up after this (default: never)");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
