#include "cli/commands/vm_text.h"

#include <fmt/format.h>

#include "base/size.h"
#include "cli/duration.h"
#include "cli/table.h"
#include "cli/words.h"

namespace ember::cli {
namespace {

std::string LabelsText(const v1::Vm& vm) {
  std::string text;
  for (const auto& [key, value] : std::map(vm.labels().begin(), vm.labels().end())) {
    text += fmt::format("{}{}={}", text.empty() ? "" : ", ", key, value);
  }
  return text;
}

std::string NumberText(uint64_t number) { return number == 0 ? "" : std::to_string(number); }

}  // namespace

std::string VmTableText(const v1::ListVmsResponse& response) {
  Table table({"NAME", "STATUS", "AGENT", "IP", "VSOCK", "CPUS", "MEM", "DISK", "IMAGE"});
  for (const v1::Vm& vm : response.vms()) {
    table.Add({vm.name(), StateWord(vm.state()), AgentWord(vm.agent()), "",
               vm.guest_cid() != 0 ? "✓" : "", NumberText(vm.vcpus()),
               FormatSize(vm.memory_mib() * kMiB), FormatSize(vm.disk_bytes()), vm.image()});
  }
  return table.Text();
}

std::string VmText(const v1::Vm& vm) {
  std::string status = StateWord(vm.state());
  if (!vm.state_reason().empty()) status += ": " + vm.state_reason();
  return KeyValueText({{"name", vm.name()},
                       {"id", vm.id()},
                       {"status", status},
                       {"agent", AgentWord(vm.agent())},
                       {"image", vm.image()},
                       {"kernel", vm.kernel()},
                       {"backend", vm.backend()},
                       {"accelerator", vm.accelerator()},
                       {"cpus", NumberText(vm.vcpus())},
                       {"memory", FormatSize(vm.memory_mib() * kMiB)},
                       {"disk", FormatSize(vm.disk_bytes())},
                       {"disk path", vm.disk_path()},
                       {"kernel path", vm.kernel_path()},
                       {"console", vm.console_path()},
                       {"vsock", vm.vsock_path()},
                       {"guest cid", NumberText(vm.guest_cid())},
                       {"pid", NumberText(static_cast<uint64_t>(vm.pid()))},
                       {"created", TimeText(vm.created_at())},
                       {"started", TimeText(vm.started_at())},
                       {"boot retries", NumberText(vm.boot_retries())},
                       {"labels", LabelsText(vm)}});
}

void NoteOutcome(const Invocation& invocation, const v1::Vm& vm, AgentWait wait,
                 absl::Duration elapsed) {
  const std::string after = FormatElapsed(elapsed);
  if (vm.state() != v1::RUNNING) {
    invocation.Note(fmt::format("vm '{}' is {} ({})", vm.name(), StateWord(vm.state()), after));
  } else if (vm.agent() == v1::READY) {
    invocation.Note(fmt::format("vm '{}' is running, its agent is ready ({})", vm.name(), after));
  } else if (wait == AgentWait::kSkipped) {
    invocation.Note(fmt::format("vm '{}' is running ({})", vm.name(), after));
  } else {
    invocation.Note(fmt::format("vm '{}' is running, but its agent did not answer within {}",
                                vm.name(), after));
    invocation.NoteHint(fmt::format("ember vm wait {} --for agent", vm.name()));
  }
}

}  // namespace ember::cli
