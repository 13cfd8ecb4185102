#include "daemon/vm_settings.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/fault_point.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "state/vm_name.h"

namespace ember::daemon {
namespace {

constexpr uint32_t kMinMemoryMib = 64;
constexpr size_t kMaxBootArgs = 1024;  // kernels cut their line at 2,048 bytes
constexpr size_t kMaxLabelKey = 63;
constexpr size_t kMaxLabelValue = 255;

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

bool HasControl(std::string_view text) { return std::any_of(text.begin(), text.end(), IsControl); }

// Where the disk is once its directory has moved.
state::DiskRow MovedDisk(const Vm& vm, const VmPaths& paths) {
  state::DiskRow disk = vm.record.disk;
  if (!disk.path.empty()) {
    disk.path = paths.dir / std::filesystem::path(disk.path).filename();
  }
  return disk;
}

}  // namespace

absl::Status CheckVmSize(std::string_view name, uint32_t vcpus, uint64_t memory_mib,
                         const VmLimits& limits) {
  if (vcpus == 0 || vcpus > limits.host_cpus) {
    return WithHint(InvalidArgument("vm '{}': {} vCPUs were asked for, this host has {}", name,
                                    vcpus, limits.host_cpus),
                    fmt::format("use --cpus 1 to {}", limits.host_cpus));
  }
  if (memory_mib < kMinMemoryMib) {
    return WithHint(
        InvalidArgument("vm '{}': {} MiB of memory are too few to boot", name, memory_mib),
        fmt::format("use --memory {}M or more", kMinMemoryMib));
  }
  if (memory_mib >= limits.host_memory_mib) {
    return WithHint(
        ResourceExhausted("vm '{}': {} MiB of memory were asked for, this host has {} MiB", name,
                          memory_mib, limits.host_memory_mib),
        "use a smaller --memory");
  }
  return absl::OkStatus();
}

absl::Status CheckBootArgs(std::string_view name, std::string_view boot_args) {
  if (boot_args.size() > kMaxBootArgs) {
    return WithHint(InvalidArgument("vm '{}': boot arguments of {} bytes", name, boot_args.size()),
                    fmt::format("at most {} bytes of them fit", kMaxBootArgs));
  }
  const auto printable = [](char c) { return c >= 0x20 && c < 0x7F; };
  if (!std::all_of(boot_args.begin(), boot_args.end(), printable)) {
    return WithHint(
        InvalidArgument("vm '{}': boot arguments hold a byte that is not printable", name),
        "they are one line of ASCII: --boot-args 'quiet panic=1'");
  }
  return absl::OkStatus();
}

absl::Status CheckLabels(std::string_view name, const std::map<std::string, std::string>& labels) {
  for (const auto& [key, value] : labels) {
    const bool good_key = !key.empty() && key.size() <= kMaxLabelKey && !HasControl(key) &&
                          key.find_first_of("=,") == std::string::npos;
    if (!good_key) {
      return WithHint(InvalidArgument("vm '{}': label key '{}' is not allowed", name, key),
                      "a key has 1 to 63 bytes, no '=' or ',' and no control characters");
    }
    if (value.size() > kMaxLabelValue || HasControl(value)) {
      return WithHint(InvalidArgument("vm '{}': the value of label '{}' is not allowed", name, key),
                      "a value has at most 255 bytes and no control characters");
    }
  }
  return absl::OkStatus();
}

void VmSettings::Rename(Vm& vm, const std::string& new_name, Done renamed) {
  ledger_.disk_turns().Pass(vm, [this, new_name, renamed = std::move(renamed)](Vm* current) {
    if (current == nullptr) return renamed(Aborted("the VM was deleted meanwhile"));
    RenameNow(*current, new_name, renamed);
  });
}

void VmSettings::RenameNow(Vm& vm, const std::string& new_name, Done renamed) {
  absl::Status allowed =
      state::Next(vm.record.state, state::VmEvent::kRename, vm.record.name).status();
  if (allowed.ok()) allowed = state::ValidateVmName(new_name);
  if (allowed.ok()) {
    allowed = VmPaths::Of(ledger_.context().state_dir, new_name).CheckLength();
  }
  if (allowed.ok() && vm.record.machine.has_value()) {
    allowed = FailedPrecondition("vm '{}': what is left of its machine could not be ended yet",
                                 vm.record.name);
  }
  if (!allowed.ok()) return renamed(allowed);
  if (new_name == vm.record.name) {
    return renamed(InvalidArgument("vm '{}' has this name already", new_name));
  }
  auto record = ledger_.context().store.BeginRename(vm.record.id, new_name);
  if (!record.ok()) return renamed(record.status());
  vms_.Rename(vm, *std::move(record));
  CrashPoint("rename/row-committed");
  feed_.Publish();
  FinishRename(vm, std::move(renamed));
}

void VmSettings::FinishRename(Vm& vm, Done renamed) {
  vm.runner->MoveTo(
      VmPaths::Of(ledger_.context().state_dir, vm.record.name),
      ledger_.Back<ember::Done>(vm, [this, renamed = std::move(renamed)](Vm& current, auto moved) {
        OnMoved(current, moved.status(), renamed);
      }));
}

void VmSettings::OnMoved(Vm& vm, const absl::Status& moved, const Done& renamed) {
  const absl::Status why = moved.ok()
                               ? moved
                               : Annotate(moved, fmt::format("vm '{}' could not be renamed to '{}'",
                                                             vm.record.dir_name, vm.record.name));
  ledger_.Settle("a rename", [this, id = vm.record.id, why, renamed] {
    Vm* current = vms_.FindById(id);
    if (current == nullptr) return absl::OkStatus();
    state::Store& store = ledger_.context().store;
    if (!why.ok()) {
      ASSIGN_OR_RETURN(state::VmRecord record, store.UndoRename(id, std::string(Message(why))));
      vms_.Rename(*current, std::move(record));
    } else {
      const VmPaths paths = VmPaths::Of(ledger_.context().state_dir, current->record.name);
      ASSIGN_OR_RETURN(current->record, store.FinishRename(id, MovedDisk(*current, paths)));
      CrashPoint("rename/recorded");
      ledger_.House(*current);
    }
    ledger_.Changed(*current, current->record);
    renamed(why);
    return absl::OkStatus();
  });
}

absl::StatusOr<state::VmConfig> VmSettings::Apply(const Vm& vm, const VmUpdate& update) const {
  state::VmConfig config = vm.record.config;
  config.vcpus = update.vcpus.value_or(config.vcpus);
  config.memory_mib = update.memory_mib.value_or(config.memory_mib);
  config.boot_args = update.boot_args.value_or(config.boot_args);
  config.restart_policy = update.restart_policy.value_or(config.restart_policy);
  config.autostart = update.autostart.value_or(config.autostart);
  for (const std::string& key : update.remove_labels) {
    if (config.labels.erase(key) == 0) {
      return WithHint(InvalidArgument("vm '{}' has no label '{}'", vm.record.name, key),
                      fmt::format("see its labels: ember vm inspect {}", vm.record.name));
    }
  }
  for (const auto& [key, value] : update.set_labels) config.labels[key] = value;
  if (update.kernel.has_value()) {
    ASSIGN_OR_RETURN(const images::KernelRecord kernel,
                     ledger_.context().catalog.GetKernel(*update.kernel));
    config.kernel = kernel.name;
  }
  RETURN_IF_ERROR(CheckVmSize(vm.record.name, config.vcpus, config.memory_mib, limits_));
  RETURN_IF_ERROR(CheckBootArgs(vm.record.name, config.boot_args));
  RETURN_IF_ERROR(CheckLabels(vm.record.name, config.labels));
  const bool contradiction =
      config.remove_when_stopped && config.restart_policy != state::RestartPolicy::kNo;
  if (contradiction) {
    return InvalidArgument("vm '{}' is removed when it stops: it can't be restarted as well",
                           vm.record.name);
  }
  return config;
}

absl::Status VmSettings::Update(Vm& vm, const VmUpdate& update) {
  if (update == VmUpdate{}) {
    return WithHint(
        WithReason(InvalidArgument("no configuration changes specified"), "NOTHING_TO_CHANGE"),
        "name at least one: --cpus, --memory, --kernel, --boot-args, --label, "
        "--remove-label, --restart, --autostart");
  }
  RETURN_IF_ERROR(state::Next(vm.record.state, state::VmEvent::kUpdate, vm.record.name).status());
  ASSIGN_OR_RETURN(const state::VmConfig config, Apply(vm, update));
  ASSIGN_OR_RETURN(state::VmRecord record,
                   ledger_.context().store.UpdateConfig(vm.record.id, config));
  ledger_.Changed(vm, std::move(record));
  return absl::OkStatus();
}

}  // namespace ember::daemon
