#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/client.h"
#include "ember/v1/care_service.pb.h"

// Calls of CareService; see Client.
namespace ember::cli {

// All at the same time; the answers in the order of the names.
std::vector<absl::StatusOr<v1::VmStats>> GetVmStats(Client& client,
                                                    const std::vector<std::string>& vms);
absl::Status WaitPort(Client& client, const v1::WaitPortRequest& request, CallOptions options);

}  // namespace ember::cli
