#pragma once

#include <string>

#include "ember/v1/process_service.pb.h"

// The processes of a VM as text.
namespace ember::cli {

std::string ProcessTableText(const v1::ListProcessesResponse& list);
// An array, with snake_case keys that are always there.
std::string ProcessJsonText(const v1::ListProcessesResponse& list);

}  // namespace ember::cli
