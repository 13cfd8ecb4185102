#include "state/vm_table.h"

#include <string>

#include "base/status.h"
#include "state/timestamp.h"
#include "state/vm_row.h"
#include "state/volume_table.h"

namespace ember::state {
namespace {

constexpr std::string_view kInsertVm =
    "INSERT INTO vm (id, name, dir_name, state, state_reason, follow_up, image, kernel, boot_args,"
    " backend, vcpus, memory_mib, disk_bytes, init, restart_policy, autostart,"
    " remove_when_stopped, ttl_seconds, disk_path, disk_format, created_at, boot_retries, restarts,"
    " expires_at, expires_host_boot_id, expires_boottime_ns, request_id, request_digest, owner_uid)"
    " VALUES (?1, ?2, ?2, 'creating', '', 'none', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,"
    " ?14, '', '', ?15, 0, 0, ?16, ?17, ?18, ?19, ?20, ?21)";

constexpr std::string_view kUpdateConfig =
    "UPDATE vm SET vcpus = ?2, memory_mib = ?3, kernel = ?4, boot_args = ?5, restart_policy = ?6,"
    " autostart = ?7 WHERE id = ?1";

// The row that Insert makes, as it will be read back.
VmRecord NewRecord(std::string_view vm_id, const NewVm& vm) {
  VmRecord record;
  record.id = vm_id;
  record.name = vm.name;
  record.dir_name = vm.name;
  record.config = vm.config;
  record.image = vm.image;
  if (vm.config.ttl.has_value()) record.config.ttl = absl::Floor(*vm.config.ttl, absl::Seconds(1));
  record.created_at = FromMicros(NowMicros());
  record.expiry = vm.expiry;
  if (vm.expiry.has_value()) record.expiry->at = FromMicros(ToMicros(vm.expiry->at));
  record.request_id = vm.request_id;
  if (!vm.request_id.empty()) record.request_digest = vm.request_digest;
  record.owner_uid = vm.owner_uid;
  record.parent = vm.parent;
  return record;
}

std::optional<int64_t> SecondsOf(const std::optional<absl::Duration>& duration) {
  if (!duration.has_value()) return std::nullopt;
  return absl::ToInt64Seconds(*duration);
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
    vm.machine->companions.push_back({.pid = static_cast<pid_t>(query.Int64(0)),
                                      .start_time = static_cast<uint64_t>(query.Int64(1))});
  }
}

absl::Status VmTable::ReadRest(VmRecord& vm) {
  RETURN_IF_ERROR(ReadLabels(vm));
  RETURN_IF_ERROR(ReadCompanions(vm));
  ASSIGN_OR_RETURN(vm.config.volumes, VolumeTable(database_).AttachmentsOf(vm.id));
  return absl::OkStatus();
}

absl::StatusOr<std::optional<VmRecord>> VmTable::Find(std::string_view where,
                                                      std::string_view key) {
  ASSIGN_OR_RETURN(Statement query, database_.Prepare(fmt::format("{}{}", kSelectVm, where)));
  RETURN_IF_ERROR(query.Bind(key));
  ASSIGN_OR_RETURN(const bool row, query.Next());
  if (!row) return std::optional<VmRecord>();
  ASSIGN_OR_RETURN(VmRecord vm, ReadVm(query));
  RETURN_IF_ERROR(ReadRest(vm));
  return std::optional(std::move(vm));
}

absl::StatusOr<std::optional<VmRecord>> VmTable::FindById(std::string_view vm_id) {
  return Find("WHERE vm.id = ?1", vm_id);
}

absl::StatusOr<std::optional<VmRecord>> VmTable::FindByName(std::string_view name) {
  return Find("WHERE name = ?1", name);
}

absl::StatusOr<std::optional<NameHolder>> VmTable::FindNameHolder(std::string_view name) {
  ASSIGN_OR_RETURN(Statement query, database_.Prepare("SELECT name, dir_name FROM vm"
                                                      " WHERE name = ?1 OR dir_name = ?1 LIMIT 1"));
  RETURN_IF_ERROR(query.Bind(name));
  ASSIGN_OR_RETURN(const bool row, query.Next());
  if (!row) return std::optional<NameHolder>();
  return std::optional(NameHolder{.name = query.Text(0), .dir_name = query.Text(1)});
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
    RETURN_IF_ERROR(ReadRest(vm));
    vms.push_back(std::move(vm));
  }
}

absl::StatusOr<VmRecord> VmTable::Insert(std::string_view vm_id, const NewVm& vm) {
  VmRecord record = NewRecord(vm_id, vm);
  const VmConfig& config = record.config;
  std::optional<int64_t> expires_at;
  std::optional<std::string_view> boot_id;
  std::optional<int64_t> boottime;
  if (record.expiry.has_value()) {
    expires_at = ToMicros(record.expiry->at);
    boot_id = record.expiry->host_boot_id;
    boottime = record.expiry->boottime_ns;
  }
  ASSIGN_OR_RETURN(Statement insert, database_.Prepare(kInsertVm));
  RETURN_IF_ERROR(insert.Run(vm_id, vm.name, config.image, config.kernel, config.boot_args,
                             config.backend, config.vcpus, config.memory_mib, config.disk_bytes,
                             config.init, RestartPolicyName(config.restart_policy),
                             config.autostart, config.remove_when_stopped, SecondsOf(config.ttl),
                             ToMicros(record.created_at), expires_at, boot_id, boottime,
                             NullIfEmpty(vm.request_id, vm.request_id),
                             NullIfEmpty(vm.request_digest, vm.request_id), vm.owner_uid));
  RETURN_IF_ERROR(InsertLabels(vm_id, config.labels));
  RETURN_IF_ERROR(InsertImage(vm_id, record.image));
  if (vm.parent.has_value()) RETURN_IF_ERROR(InsertParent(vm_id, *vm.parent));
  return record;
}

// A fork has its parent's image, which may have been replaced under its name since.
absl::Status VmTable::InsertParent(std::string_view vm_id, const VmParent& parent) {
  {
    ASSIGN_OR_RETURN(Statement insert,
                     database_.Prepare("INSERT INTO vm_parent (vm_id, parent_id, parent_name)"
                                       " VALUES (?1, ?2, ?3)"));
    RETURN_IF_ERROR(insert.Run(vm_id, parent.id, parent.name));
  }
  ASSIGN_OR_RETURN(Statement copy,
                   database_.Prepare("INSERT INTO vm_image (vm_id, image_id, config,"
                                     " run_entrypoint) SELECT ?1, image_id, config,"
                                     " run_entrypoint FROM vm_image WHERE vm_id = ?2"));
  return copy.Run(vm_id, parent.id);
}

absl::Status VmTable::InsertLabels(std::string_view vm_id,
                                   const std::map<std::string, std::string>& labels) {
  for (const auto& [key, value] : labels) {
    ASSIGN_OR_RETURN(Statement label, database_.Prepare("INSERT INTO vm_label (vm_id, key, value)"
                                                        " VALUES (?1, ?2, ?3)"));
    RETURN_IF_ERROR(label.Run(vm_id, key, value));
  }
  return absl::OkStatus();
}

absl::Status VmTable::InsertImage(std::string_view vm_id, const std::optional<VmImageRow>& image) {
  if (!image.has_value()) return absl::OkStatus();
  ASSIGN_OR_RETURN(Statement insert, database_.Prepare("INSERT INTO vm_image (vm_id, image_id,"
                                                       " config, run_entrypoint)"
                                                       " VALUES (?1, ?2, ?3, ?4)"));
  return insert.Run(vm_id, image->id, image->config, image->run_entrypoint);
}

absl::Status VmTable::SetState(std::string_view vm_id, VmState state, std::string_view reason) {
  ASSIGN_OR_RETURN(Statement update, database_.Prepare("UPDATE vm SET state = ?2,"
                                                       " state_reason = ?3 WHERE id = ?1"));
  return update.Run(vm_id, VmStateName(state), reason);
}

absl::Status VmTable::SetFollowUp(std::string_view vm_id, FollowUp follow_up) {
  ASSIGN_OR_RETURN(Statement update,
                   database_.Prepare("UPDATE vm SET follow_up = ?2 WHERE id = ?1"));
  return update.Run(vm_id, FollowUpName(follow_up));
}

absl::Status VmTable::SetName(std::string_view vm_id, std::string_view name) {
  ASSIGN_OR_RETURN(Statement update, database_.Prepare("UPDATE vm SET name = ?2 WHERE id = ?1"));
  return update.Run(vm_id, name);
}

absl::Status VmTable::SetDirName(std::string_view vm_id, std::string_view dir_name) {
  ASSIGN_OR_RETURN(Statement update,
                   database_.Prepare("UPDATE vm SET dir_name = ?2 WHERE id = ?1"));
  return update.Run(vm_id, dir_name);
}

absl::Status VmTable::SetConfig(std::string_view vm_id, const VmConfig& config) {
  {
    ASSIGN_OR_RETURN(Statement update, database_.Prepare(kUpdateConfig));
    RETURN_IF_ERROR(update.Run(vm_id, config.vcpus, config.memory_mib, config.kernel,
                               config.boot_args, RestartPolicyName(config.restart_policy),
                               config.autostart));
  }
  ASSIGN_OR_RETURN(Statement drop, database_.Prepare("DELETE FROM vm_label WHERE vm_id = ?1"));
  RETURN_IF_ERROR(drop.Run(vm_id));
  return InsertLabels(vm_id, config.labels);
}

absl::Status VmTable::SetDisk(std::string_view vm_id, const DiskRow& disk) {
  {
    ASSIGN_OR_RETURN(Statement update, database_.Prepare("UPDATE vm SET disk_path = ?2,"
                                                         " disk_format = ?3 WHERE id = ?1"));
    RETURN_IF_ERROR(update.Run(vm_id, disk.path, disk.format));
  }
  if (disk.layer_id.empty()) {
    ASSIGN_OR_RETURN(Statement drop, database_.Prepare("DELETE FROM vm_disk_layer"
                                                       " WHERE vm_id = ?1"));
    return drop.Run(vm_id);
  }
  ASSIGN_OR_RETURN(Statement set,
                   database_.Prepare("INSERT INTO vm_disk_layer (vm_id, layer_id) VALUES (?1, ?2)"
                                     " ON CONFLICT (vm_id) DO UPDATE SET layer_id = ?2"));
  return set.Run(vm_id, disk.layer_id);
}

absl::Status VmTable::SetDiskBytes(std::string_view vm_id, uint64_t bytes) {
  ASSIGN_OR_RETURN(Statement update,
                   database_.Prepare("UPDATE vm SET disk_bytes = ?2 WHERE id = ?1"));
  return update.Run(vm_id, bytes);
}

absl::Status VmTable::SetBootRetries(std::string_view vm_id, uint32_t retries) {
  ASSIGN_OR_RETURN(Statement update,
                   database_.Prepare("UPDATE vm SET boot_retries = ?2 WHERE id = ?1"));
  return update.Run(vm_id, retries);
}

absl::Status VmTable::SetRestarts(std::string_view vm_id, uint32_t restarts) {
  ASSIGN_OR_RETURN(Statement update,
                   database_.Prepare("UPDATE vm SET restarts = ?2 WHERE id = ?1"));
  return update.Run(vm_id, restarts);
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
