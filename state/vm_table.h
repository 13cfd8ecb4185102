#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "state/database.h"
#include "state/vm_record.h"

namespace ember::state {

// The tables vm, vm_label, machine and machine_process as records. Every function is a part of the
// caller's transaction. Lives where its database lives.
class VmTable {
 public:
  // Borrows `database`.
  explicit VmTable(Database& database) : database_(database) {}

  // The VM with its labels, lease and machine, if there is one.
  absl::StatusOr<std::optional<VmRecord>> FindById(std::string_view vm_id);
  absl::StatusOr<std::optional<VmRecord>> FindByName(std::string_view name);
  absl::StatusOr<std::optional<VmRecord>> FindByRequestId(std::string_view request_id);
  // All VMs by name.
  absl::StatusOr<std::vector<VmRecord>> List();

  // Adds a VM in state creating, now, without a lease.
  absl::Status Insert(std::string_view vm_id, const NewVm& vm);
  absl::Status SetState(std::string_view vm_id, VmState state, std::string_view reason);
  absl::Status SetDisk(std::string_view vm_id, const DiskRow& disk);
  absl::Status SetBootRetries(std::string_view vm_id, uint32_t retries);
  absl::Status SetStartedNow(std::string_view vm_id);
  // Removes the VM with all rows that cascade. FailedPrecondition while it has a machine row.
  absl::Status Delete(std::string_view vm_id);

  absl::Status InsertMachine(std::string_view vm_id, const MachineRow& machine);
  // OK when there is none.
  absl::Status DeleteMachine(std::string_view vm_id);

 private:
  absl::StatusOr<std::optional<VmRecord>> Find(std::string_view where, std::string_view key);
  absl::Status ReadLabels(VmRecord& vm);
  absl::Status ReadCompanions(VmRecord& vm);

  Database& database_;
};

}  // namespace ember::state
