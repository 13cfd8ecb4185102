#pragma once

#include <string>

#include "state/vm_record.h"

namespace ember::state {

// What Store::UpdateConfig changes from `before` to `after`, in one line for a person:
// "memory 512M -> 1024M, label team=core added". Empty where that is nothing.
std::string DescribeConfigChange(const VmConfig& before, const VmConfig& after);

}  // namespace ember::state
