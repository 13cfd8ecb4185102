#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "state/vm_record.h"
#include "state/vm_table.h"

// What the store says to callers who ask for what is not there or is taken.
namespace ember::state {

// NotFound, reason VM_NOT_FOUND; `key` ("vm" or "vm_id") and `value` are its metadata.
absl::Status NoSuchVm(std::string_view key, std::string_view value);

// AlreadyExists, reason VM_EXISTS: a VM has this name, or it is being renamed and still has the
// directory of this name.
absl::Status NameTaken(std::string_view name, const NameHolder& holder);

// AlreadyExists, reason REQUEST_ID_REUSED: `holder` was made by a request of this id and another
// body.
absl::Status RequestIdReused(const VmRecord& holder);

// FailedPrecondition, reason WRONG_STATE: a rename of the VM is under way.
absl::Status RenameUnderWay(const VmRecord& vm);

}  // namespace ember::state
