#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "state/database.h"
#include "state/vm_record.h"

namespace ember::state {

// A VM's name and that of its directory.
struct NameHolder {
  std::string name;
  std::string dir_name;
};

// The tables vm, vm_label, vm_image, vm_parent, vm_disk_layer, machine and machine_process as
// records. Every function is a part of the caller's transaction. Lives where its database lives.
class VmTable {
 public:
  // Borrows `database`.
  explicit VmTable(Database& database) : database_(database) {}

  // The VM with its labels, leases and machine, if there is one.
  absl::StatusOr<std::optional<VmRecord>> FindById(std::string_view vm_id);
  absl::StatusOr<std::optional<VmRecord>> FindByName(std::string_view name);
  absl::StatusOr<std::optional<VmRecord>> FindByRequestId(std::string_view request_id);
  // The VM that has `name`, or the directory of this name.
  absl::StatusOr<std::optional<NameHolder>> FindNameHolder(std::string_view name);
  // All VMs by name.
  absl::StatusOr<std::vector<VmRecord>> List();

  // Adds a VM in state creating, now, and answers its record. Without leases.
  absl::StatusOr<VmRecord> Insert(std::string_view vm_id, const NewVm& vm);
  absl::Status SetState(std::string_view vm_id, VmState state, std::string_view reason);
  absl::Status SetFollowUp(std::string_view vm_id, FollowUp follow_up);
  absl::Status SetName(std::string_view vm_id, std::string_view name);
  absl::Status SetDirName(std::string_view vm_id, std::string_view dir_name);
  // What Store::UpdateConfig replaces.
  absl::Status SetConfig(std::string_view vm_id, const VmConfig& config);
  absl::Status SetDisk(std::string_view vm_id, const DiskRow& disk);
  absl::Status SetDiskBytes(std::string_view vm_id, uint64_t bytes);
  absl::Status SetBootRetries(std::string_view vm_id, uint32_t retries);
  absl::Status SetRestarts(std::string_view vm_id, uint32_t restarts);
  absl::Status SetStartedNow(std::string_view vm_id);
  // Removes the VM with all rows that cascade. FailedPrecondition while it has a machine row.
  absl::Status Delete(std::string_view vm_id);

  // Nothing is done without an image.
  absl::Status InsertImage(std::string_view vm_id, const std::optional<VmImageRow>& image);

  absl::Status InsertMachine(std::string_view vm_id, const MachineRow& machine);
  // OK when there is none.
  absl::Status DeleteMachine(std::string_view vm_id);

 private:
  absl::StatusOr<std::optional<VmRecord>> Find(std::string_view where, std::string_view key);
  absl::Status ReadLabels(VmRecord& vm);
  absl::Status InsertLabels(std::string_view vm_id,
                            const std::map<std::string, std::string>& labels);
  absl::Status InsertParent(std::string_view vm_id, const VmParent& parent);
  absl::Status ReadCompanions(VmRecord& vm);
  // What of a VM lies in rows of other tables.
  absl::Status ReadRest(VmRecord& vm);

  Database& database_;
};

}  // namespace ember::state
