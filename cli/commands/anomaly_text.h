#pragma once

#include <string>

#include "cli/invocation.h"
#include "ember/v1/host_service.pb.h"

// How what is wrong with the host is shown by the commands that find it.
namespace ember::cli {

// KIND VM MESSAGE REMEDY, one row each, or a line that there are none.
std::string AnomalyTableText(const v1::CheckHostResponse& response);

// Whether repairs were made or only asked about.
enum class RepairRun { kReal, kDry };
// KIND VM RESULT DETAIL, one row each, or a line that there are none.
std::string RepairTableText(const v1::RepairHostResponse& response, RepairRun run);

// A warning for each anomaly of a list, and one when they could not be looked for.
void WarnOfAnomalies(const Invocation& invocation, const v1::ListVmsResponse& list);

}  // namespace ember::cli
