#include "cli/commands/vm_text.h"

#include <fmt/format.h>

#include <set>

#include "base/size.h"
#include "cli/commands/usage_text.h"
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

std::string VolumesText(const v1::Vm& vm) {
  std::string text;
  for (const v1::VolumeAttachment& volume : vm.volumes()) {
    text += fmt::format("{}{} ({}){}{}{}", text.empty() ? "" : ", ", volume.volume(),
                        FormatSize(volume.size_bytes()), volume.mount_path().empty() ? "" : " at ",
                        volume.mount_path(), volume.read_only() ? ", read-only" : "");
  }
  return text;
}

std::string BoolText(bool value) { return value ? "yes" : "no"; }

std::string ExpiryText(const v1::Vm& vm) {
  if (!vm.has_expires_at()) return "";
  const absl::Time when = absl::FromUnixSeconds(vm.expires_at().seconds());
  return fmt::format("{} (in {})", TimeText(vm.expires_at()), FormatRemaining(when - absl::Now()));
}

std::set<std::string> CorruptedVms(const v1::ListVmsResponse& response) {
  std::set<std::string> names;
  for (const v1::Anomaly& anomaly : response.anomalies()) {
    names.insert(anomaly.vm_names().begin(), anomaly.vm_names().end());
  }
  return names;
}

// Nothing where it is not known.
std::string UsedText(const v1::Vm& vm) {
  return vm.has_used_bytes() ? MibText(vm.used_bytes()) : "";
}

std::string NumberText(uint64_t number) { return number == 0 ? "" : std::to_string(number); }

}  // namespace

std::string VmTableText(const v1::ListVmsResponse& response) {
  Table table({"NAME", "STATUS", "AGENT", "IP", "VSOCK", "CPUS", "MEM", "DISK", "USED", "IMAGE"});
  const std::set<std::string> corrupted = CorruptedVms(response);
  for (const v1::Vm& vm : response.vms()) {
    const std::string mark = corrupted.count(vm.name()) != 0 ? " [CORRUPTED]" : "";
    table.Add({vm.name(), StateWord(vm.state()) + mark, AgentWord(vm.agent()),
               vm.address().guest_ip(), vm.guest_cid() != 0 ? "✓" : "", NumberText(vm.vcpus()),
               FormatSize(vm.memory_mib() * kMiB), FormatSize(vm.disk_bytes()), UsedText(vm),
               vm.image()});
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
                       {"image id", vm.image_id()},
                       {"run", BoolText(vm.run_entrypoint())},
                       {"kernel", vm.kernel()},
                       {"backend", vm.backend()},
                       {"accelerator", vm.accelerator()},
                       {"cpus", NumberText(vm.vcpus())},
                       {"memory", FormatSize(vm.memory_mib() * kMiB)},
                       {"disk", FormatSize(vm.disk_bytes())},
                       {"disk used", UsedText(vm)},
                       {"disk path", vm.disk_path()},
                       {"parent", vm.parent()},
                       {"volumes", VolumesText(vm)},
                       {"kernel path", vm.kernel_path()},
                       {"console", vm.console_path()},
                       {"vsock", vm.vsock_path()},
                       {"guest cid", NumberText(vm.guest_cid())},
                       {"pid", NumberText(static_cast<uint64_t>(vm.pid()))},
                       {"created", TimeText(vm.created_at())},
                       {"started", TimeText(vm.started_at())},
                       {"boot retries", NumberText(vm.boot_retries())},
                       {"boot args", vm.boot_args()},
                       {"labels", LabelsText(vm)},
                       {"restart", RestartWord(vm.restart_policy())},
                       {"restarts", NumberText(vm.restarts())},
                       {"next start", TimeText(vm.next_start_at())},
                       {"autostart", BoolText(vm.autostart())},
                       {"rm", BoolText(vm.remove_when_stopped())},
                       {"expires", ExpiryText(vm)},
                       {"guest ip", vm.address().guest_ip()},
                       {"host ip", vm.address().host_ip()},
                       {"subnet", vm.address().subnet()}});
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
