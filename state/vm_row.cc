#include "state/vm_row.h"

#include <optional>
#include <string>

#include "base/status.h"
#include "base/status_macros.h"
#include "state/timestamp.h"

namespace ember::state {

const std::string_view kSelectVm =
    "SELECT vm.id, name, dir_name, state, state_reason, follow_up, image, kernel, boot_args,"
    " vm.backend, vcpus, memory_mib, disk_bytes, init, restart_policy, autostart,"
    " remove_when_stopped, ttl_seconds, disk_path, disk_format, created_at, started_at,"
    " boot_retries, restarts, expires_at, expires_host_boot_id, expires_boottime_ns, request_id,"
    " request_digest, owner_uid, image_id, vm_image.config, run_entrypoint, cid, subnet,"
    " block_index, machine_id, host_boot_id,"
    " machine.backend, accelerator, pid, start_time, parent_id, parent_name, layer_id FROM vm"
    " LEFT JOIN vm_image ON vm_image.vm_id = vm.id"
    " LEFT JOIN cid_lease ON cid_lease.vm_id = vm.id"
    " LEFT JOIN address_lease ON address_lease.vm_id = vm.id"
    " LEFT JOIN machine ON machine.vm_id = vm.id"
    " LEFT JOIN vm_parent ON vm_parent.vm_id = vm.id"
    " LEFT JOIN vm_disk_layer ON vm_disk_layer.vm_id = vm.id ";

namespace {

// Reads the columns of one kind of row in the order in which they are selected.
class Columns {
 public:
  explicit Columns(const Statement& row) : row_(row) {}

  std::string Text() { return row_.Text(next_++); }
  template <typename T>
  T Number() {
    return static_cast<T>(row_.Int64(next_++));
  }
  bool NextIsNull() const { return row_.IsNull(next_); }
  absl::Time Time() { return FromMicros(row_.Int64(next_++)); }
  void Skip(int count) { next_ += count; }

 private:
  const Statement& row_;
  int next_ = 0;
};

ProcessIdentity ReadProcess(Columns& columns) {
  const auto pid = columns.Number<pid_t>();
  return {.pid = pid, .start_time = columns.Number<uint64_t>()};
}

std::optional<MachineRow> ReadMachine(Columns& columns) {
  if (columns.NextIsNull()) {
    columns.Skip(6);
    return std::nullopt;
  }
  MachineRow machine;
  machine.machine_id = columns.Text();
  machine.host_boot_id = columns.Text();
  machine.backend = columns.Text();
  machine.accelerator = columns.Text();
  machine.process = ReadProcess(columns);
  return machine;
}

std::optional<VmParent> ReadParent(Columns& columns) {
  if (columns.NextIsNull()) {
    columns.Skip(2);
    return std::nullopt;
  }
  VmParent parent;
  parent.id = columns.Text();
  parent.name = columns.Text();
  return parent;
}

std::optional<Expiry> ReadExpiry(Columns& columns) {
  if (columns.NextIsNull()) {
    columns.Skip(3);
    return std::nullopt;
  }
  Expiry expiry;
  expiry.at = columns.Time();
  expiry.host_boot_id = columns.Text();
  expiry.boottime_ns = columns.Number<int64_t>();
  return expiry;
}

std::optional<VmImageRow> ReadImage(Columns& columns) {
  if (columns.NextIsNull()) {
    columns.Skip(3);
    return std::nullopt;
  }
  VmImageRow image;
  image.id = columns.Text();
  image.config = columns.Text();
  image.run_entrypoint = columns.Number<bool>();
  return image;
}

// Nothing also for a lease that makes no sense: RowCheck tells of it.
std::optional<AddressLease> ReadAddress(Columns& columns) {
  const absl::StatusOr<Subnet> subnet = Subnet::Parse(columns.Text());
  const auto block = columns.Number<uint32_t>();
  if (!subnet.ok() || block >= subnet->blocks()) return std::nullopt;
  return AddressLease{.subnet = *subnet, .block_index = block};
}

// The value of a column of words; `parse` answers nothing for one that it does not know.
template <typename T>
absl::Status ReadWord(const VmRecord& vm, std::string_view what, const std::string& word,
                      std::optional<T> (*parse)(std::string_view), T& value) {
  const std::optional<T> parsed = parse(word);
  if (!parsed.has_value()) return DataLoss("vm '{}': unknown {} '{}'", vm.name, what, word);
  value = *parsed;
  return absl::OkStatus();
}

absl::Status ReadConfig(Columns& columns, VmRecord& vm) {
  VmConfig& config = vm.config;
  config.image = columns.Text();
  config.kernel = columns.Text();
  config.boot_args = columns.Text();
  config.backend = columns.Text();
  config.vcpus = columns.Number<uint32_t>();
  config.memory_mib = columns.Number<uint32_t>();
  config.disk_bytes = columns.Number<uint64_t>();
  config.init = columns.Text();
  RETURN_IF_ERROR(
      ReadWord(vm, "restart policy", columns.Text(), ParseRestartPolicy, config.restart_policy));
  config.autostart = columns.Number<bool>();
  config.remove_when_stopped = columns.Number<bool>();
  if (columns.NextIsNull()) {
    columns.Skip(1);
  } else {
    config.ttl = absl::Seconds(columns.Number<int64_t>());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<VmRecord> ReadVm(const Statement& row) {
  Columns columns(row);
  VmRecord vm;
  vm.id = columns.Text();
  vm.name = columns.Text();
  vm.dir_name = columns.Text();
  RETURN_IF_ERROR(ReadWord(vm, "state", columns.Text(), ParseVmState, vm.state));
  vm.state_reason = columns.Text();
  RETURN_IF_ERROR(ReadWord(vm, "follow-up", columns.Text(), ParseFollowUp, vm.follow_up));
  RETURN_IF_ERROR(ReadConfig(columns, vm));
  vm.disk.path = columns.Text();
  vm.disk.format = columns.Text();
  vm.created_at = columns.Time();
  if (columns.NextIsNull()) {
    columns.Skip(1);
  } else {
    vm.started_at = columns.Time();
  }
  vm.boot_retries = columns.Number<uint32_t>();
  vm.restarts = columns.Number<uint32_t>();
  vm.expiry = ReadExpiry(columns);
  vm.request_id = columns.Text();
  vm.request_digest = columns.Text();
  vm.owner_uid = columns.Number<uint32_t>();
  vm.image = ReadImage(columns);
  vm.guest_cid = columns.Number<uint32_t>();
  vm.address = ReadAddress(columns);
  vm.machine = ReadMachine(columns);
  vm.parent = ReadParent(columns);
  vm.disk.layer_id = columns.Text();
  return vm;
}

}  // namespace ember::state
