#include "state/vm_table.h"

#include <string>

#include "base/status.h"
#include "state/timestamp.h"

namespace ember::state {
namespace {

// The lease is joined from the left too: a VM that has lost its lease is shown, with CID 0.
constexpr std::string_view kSelectVm =
    "SELECT vm.id, name, state, state_reason, image, kernel, vm.backend, vcpus, memory_mib,"
    " disk_bytes, init, disk_path, disk_format, created_at, started_at, boot_retries,"
    " request_id, request_digest, owner_uid, cid, machine_id, host_boot_id, machine.backend,"
    " accelerator, pid, start_time FROM vm"
    " LEFT JOIN cid_lease ON cid_lease.vm_id = vm.id"
    " LEFT JOIN machine ON machine.vm_id = vm.id ";

constexpr std::string_view kInsertVm =
    "INSERT INTO vm (id, name, state, state_reason, image, kernel, backend, vcpus, memory_mib,"
    " disk_bytes, init, disk_path, disk_format, created_at, boot_retries, request_id,"
    " request_digest, owner_uid) VALUES (?1, ?2, 'creating', '', ?3, ?4, ?5, ?6, ?7, ?8, ?9, '',"
    " '', ?10, 0, ?11, ?12, ?13)";

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
  void Skip() { ++next_; }

 private:
  const Statement& row_;
  int next_ = 0;
};

ProcessIdentity ReadProcess(Columns& columns) {
  const auto pid = columns.Number<pid_t>();
  return {.pid = pid, .start_time = columns.Number<uint64_t>()};
}

std::optional<MachineRow> ReadMachine(Columns& columns) {
  if (columns.NextIsNull()) return std::nullopt;
  MachineRow machine;
  machine.machine_id = columns.Text();
  machine.host_boot_id = columns.Text();
  machine.backend = columns.Text();
  machine.accelerator = columns.Text();
  machine.process = ReadProcess(columns);
  return machine;
}

// A VM without its labels and companions, which are rows of their own.
absl::StatusOr<VmRecord> ReadVm(const Statement& row) {
  Columns columns(row);
  VmRecord vm;
  vm.id = columns.Text();
  vm.name = columns.Text();
  const std::string state = columns.Text();
  const std::optional<VmState> parsed = ParseVmState(state);
  if (!parsed.has_value()) return DataLoss("vm '{}': unknown state '{}'", vm.name, state);
  vm.state = *parsed;
  vm.state_reason = columns.Text();
  vm.config.image = columns.Text();
  vm.config.kernel = columns.Text();
  vm.config.backend = columns.Text();
  vm.config.vcpus = columns.Number<uint32_t>();
  vm.config.memory_mib = columns.Number<uint32_t>();
  vm.config.disk_bytes = columns.Number<uint64_t>();
  vm.config.init = columns.Text();
  vm.disk.path = columns.Text();
  vm.disk.format = columns.Text();
  vm.created_at = columns.Time();
  if (columns.NextIsNull()) {
    columns.Skip();
  } else {
    vm.started_at = columns.Time();
  }
  vm.boot_retries = columns.Number<uint32_t>();
  vm.request_id = columns.Text();
  vm.request_digest = columns.Text();
  vm.owner_uid = columns.Number<uint32_t>();
  vm.guest_cid = columns.Number<uint32_t>();
  vm.machine = ReadMachine(columns);
  return vm;
}

// Absent rather than empty: many VMs may have no request id.
std::optional<std::string_view> NullIfEmpty(std::string_view text, std::string_view unless_empty) {
  return unless_empty.empty() ? std::nullopt : std::optional(text);
}

}  // namespace

absl::Status VmTable::ReadLabels(VmRecord& vm) {
  ASSIGN_OR_RETURN(Statement query,
                   database_.Prepare("SELECT key, value FROM vm_label WHERE vm_id = ?1"));
  RETURN_IF_ERROR(query.Bind(vm.id));
  while (true) {
    ASSIGN_OR_RETURN(const bool row, query.Next());
    if (!row) return absl::OkStatus();
    vm.config.labels.emplace(query.Text(0), query.Text(1));
  }
}

absl::Status VmTable::ReadCompanions(VmRecord& vm) {
  if (!vm.machine.has_value()) return absl::OkStatus();
  ASSIGN_OR_RETURN(Statement query, database_.Prepare("SELECT pid, start_time FROM machine_process"
                                                      " WHERE vm_id = ?1 ORDER BY position"));
  RETURN_IF_ERROR(query.Bind(vm.id));
  while (true) {
    ASSIGN_OR_RETURN(const bool row, query.Next());
    if (!row) return absl::OkStatus();
    Columns columns(query);
    vm.machine->companions.push_back(ReadProcess(columns));
  }
}

absl::StatusOr<std::optional<VmRecord>> VmTable::Find(std::string_view where,
                                                      std::string_view key) {
  ASSIGN_OR_RETURN(Statement query, database_.Prepare(fmt::format("{}{}", kSelectVm, where)));
  RETURN_IF_ERROR(query.Bind(key));
  ASSIGN_OR_RETURN(const bool row, query.Next());
  if (!row) return std::optional<VmRecord>();
  ASSIGN_OR_RETURN(VmRecord vm, ReadVm(query));
  RETURN_IF_ERROR(ReadLabels(vm));
  RETURN_IF_ERROR(ReadCompanions(vm));
  return std::optional(std::move(vm));
}

absl::StatusOr<std::optional<VmRecord>> VmTable::FindById(std::string_view vm_id) {
  return Find("WHERE vm.id = ?1", vm_id);
}

absl::StatusOr<std::optional<VmRecord>> VmTable::FindByName(std::string_view name) {
  return Find("WHERE name = ?1", name);
}

absl::StatusOr<std::optional<VmRecord>> VmTable::FindByRequestId(std::string_view request_id) {
  return Find("WHERE request_id = ?1", request_id);
}

absl::StatusOr<std::vector<VmRecord>> VmTable::List() {
  ASSIGN_OR_RETURN(Statement query, database_.Prepare(fmt::format("{}ORDER BY name", kSelectVm)));
  RETURN_IF_ERROR(query.Bind());
  std::vector<VmRecord> vms;
  while (true) {
    ASSIGN_OR_RETURN(const bool row, query.Next());
    if (!row) return vms;
    ASSIGN_OR_RETURN(VmRecord vm, ReadVm(query));
    RETURN_IF_ERROR(ReadLabels(vm));
    RETURN_IF_ERROR(ReadCompanions(vm));
    vms.push_back(std::move(vm));
  }
}

absl::Status VmTable::Insert(std::string_view vm_id, const NewVm& vm) {
  const VmConfig& config = vm.config;
  ASSIGN_OR_RETURN(Statement insert, database_.Prepare(kInsertVm));
  RETURN_IF_ERROR(insert.Run(vm_id, vm.name, config.image, config.kernel, config.backend,
                             config.vcpus, config.memory_mib, config.disk_bytes, config.init,
                             NowMicros(), NullIfEmpty(vm.request_id, vm.request_id),
                             NullIfEmpty(vm.request_digest, vm.request_id), vm.owner_uid));
  for (const auto& [key, value] : config.labels) {
    ASSIGN_OR_RETURN(Statement label, database_.Prepare("INSERT INTO vm_label (vm_id, key, value)"
                                                        " VALUES (?1, ?2, ?3)"));
    RETURN_IF_ERROR(label.Run(vm_id, key, value));
  }
  return absl::OkStatus();
}

absl::Status VmTable::SetState(std::string_view vm_id, VmState state, std::string_view reason) {
  ASSIGN_OR_RETURN(Statement update, database_.Prepare("UPDATE vm SET state = ?2,"
                                                       " state_reason = ?3 WHERE id = ?1"));
  return update.Run(vm_id, VmStateName(state), reason);
}

absl::Status VmTable::SetDisk(std::string_view vm_id, const DiskRow& disk) {
  ASSIGN_OR_RETURN(Statement update, database_.Prepare("UPDATE vm SET disk_path = ?2,"
                                                       " disk_format = ?3 WHERE id = ?1"));
  return update.Run(vm_id, disk.path, disk.format);
}

absl::Status VmTable::SetBootRetries(std::string_view vm_id, uint32_t retries) {
  ASSIGN_OR_RETURN(Statement update,
                   database_.Prepare("UPDATE vm SET boot_retries = ?2 WHERE id = ?1"));
  return update.Run(vm_id, retries);
}

absl::Status VmTable::SetStartedNow(std::string_view vm_id) {
  ASSIGN_OR_RETURN(Statement update,
                   database_.Prepare("UPDATE vm SET started_at = ?2 WHERE id = ?1"));
  return update.Run(vm_id, NowMicros());
}

absl::Status VmTable::Delete(std::string_view vm_id) {
  ASSIGN_OR_RETURN(Statement remove, database_.Prepare("DELETE FROM vm WHERE id = ?1"));
  return remove.Run(vm_id);
}

absl::Status VmTable::InsertMachine(std::string_view vm_id, const MachineRow& machine) {
  ASSIGN_OR_RETURN(Statement insert,
                   database_.Prepare("INSERT INTO machine (vm_id, machine_id, host_boot_id,"
                                     " backend, accelerator, pid, start_time)"
                                     " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"));
  RETURN_IF_ERROR(insert.Run(vm_id, machine.machine_id, machine.host_boot_id, machine.backend,
                             machine.accelerator, machine.process.pid, machine.process.start_time));
  for (size_t position = 0; position < machine.companions.size(); ++position) {
    const ProcessIdentity& companion = machine.companions[position];
    ASSIGN_OR_RETURN(Statement add,
                     database_.Prepare("INSERT INTO machine_process (vm_id, position, pid,"
                                       " start_time) VALUES (?1, ?2, ?3, ?4)"));
    RETURN_IF_ERROR(add.Run(vm_id, position, companion.pid, companion.start_time));
  }
  return absl::OkStatus();
}

absl::Status VmTable::DeleteMachine(std::string_view vm_id) {
  ASSIGN_OR_RETURN(Statement remove, database_.Prepare("DELETE FROM machine WHERE vm_id = ?1"));
  return remove.Run(vm_id);
}

}  // namespace ember::state
