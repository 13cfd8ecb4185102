#include <charconv>
#include <memory>
#include <string>

#include "base/status.h"
#include "base/status_macros.h"
#include "cli/care_calls.h"
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

// What is waited for.
struct Goal {
  enum class Kind { kAgent, kStopped, kPort } kind = Kind::kAgent;
  uint16_t port = 0;

  // "agent did not answer", as a message of a wait in vain goes on.
  std::string Missed() const {
    switch (kind) {
      case Kind::kAgent:
        return "agent did not answer";
      case Kind::kStopped:
        return "did not stop";
      case Kind::kPort:
        return fmt::format("nothing listened on port {}", port);
    }
    return "";
  }
  std::string Awaited() const {
    switch (kind) {
      case Kind::kAgent:
        return "and its agent";
      case Kind::kStopped:
        return "to stop";
      case Kind::kPort:
        return fmt::format("to listen on port {}", port);
    }
    return "";
  }
};

absl::StatusOr<Goal> GoalOf(std::string_view condition) {
  constexpr std::string_view kPort = "port:";
  if (condition == "agent") return Goal{Goal::Kind::kAgent};
  if (condition == "stopped" || condition == "exit") return Goal{Goal::Kind::kStopped};
  Goal goal{Goal::Kind::kPort};
  const bool is_port = condition.starts_with(kPort);
  const std::string_view number = is_port ? condition.substr(kPort.size()) : "";
  const auto parsed = std::from_chars(number.data(), number.data() + number.size(), goal.port);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == number.data() + number.size();
  if (is_port && whole && goal.port > 0) return goal;
  return InvalidArgument("--for: '{}' is none of agent, stopped, exit and port:N", condition);
}

// The call's deadline is ours, so its expiry gets our words.
absl::Status Explain(const absl::Status& status, const Options& options, const Goal& goal) {
  if (!absl::IsDeadlineExceeded(status) || !options.timeout.has_value()) return status;
  const bool stop = goal.kind == Goal::Kind::kStopped;
  return WithHint(DeadlineExceeded("vm '{}': {} within {}", options.name, goal.Missed(),
                                   FormatElapsed(*options.timeout)),
                  stop ? fmt::format("ember vm stop {} --force", options.name)
                       : fmt::format("ember vm console {}", options.name));
}

absl::Status Wait(Client& client, const Options& options, const Goal& goal, CallOptions call) {
  if (goal.kind == Goal::Kind::kPort) {
    v1::WaitPortRequest request;
    request.set_vm(options.name);
    request.set_tcp_port(goal.port);
    return WaitPort(client, request, call);
  }
  v1::WaitVmRequest request;
  request.set_name(options.name);
  const bool agent = goal.kind == Goal::Kind::kAgent;
  request.set_condition(agent ? v1::WaitVmRequest::AGENT_READY : v1::WaitVmRequest::STOPPED);
  return client.WaitVm(request, call).status();
}

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  ASSIGN_OR_RETURN(const Goal goal, GoalOf(options.condition));
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  Progress progress(invocation.progress_style());
  progress.Step(fmt::format("waiting for vm '{}' {}", options.name, goal.Awaited()));
  const absl::Status waited =
      Wait(*client, options, goal,
           {.limit = options.timeout.value_or(absl::InfiniteDuration()), .progress = &progress});
  progress.Clear();
  if (!waited.ok()) return Explain(waited, options, goal);
  if (invocation.format() != Format::kJson) {
    invocation.Print(options.name + "\n");
    return kDone;
  }
  v1::GetVmRequest request;
  request.set_name(options.name);
  ASSIGN_OR_RETURN(const v1::Vm vm, client->GetVm(request));
  invocation.Print(JsonText(vm));
  return kDone;
}

}  // namespace

Action DefineVmWait(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("NAME", options->name, "The VM");
  arguments.Text("--for", "CONDITION", options->condition,
                 "agent: the agent is ready (default); stopped or exit: the VM has stopped or "
                 "failed; port:N: something in the VM listens on TCP port N");
  arguments.Duration("--timeout", options->timeout, "Give up after this (default: never)");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
