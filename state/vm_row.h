#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "state/database.h"
#include "state/vm_record.h"

// A VM as one row of a query.
namespace ember::state {

// Selects VMs, to be followed by WHERE or ORDER BY. Leases are joined from the left: a VM that has
// lost one is shown without it.
extern const std::string_view kSelectVm;

// A VM without its labels, volumes and companions, which are rows of their own. DataLoss for a word
// that is not known.
absl::StatusOr<VmRecord> ReadVm(const Statement& row);

}  // namespace ember::state
