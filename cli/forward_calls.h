#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "cli/client.h"
#include "ember/v1/forward_service.pb.h"

// Calls of ForwardService; see Client.
namespace ember::cli {

absl::StatusOr<v1::Forward> AddForward(Client& client, const v1::AddForwardRequest& request);
// With an empty name those of all VMs.
absl::StatusOr<v1::ListForwardsResponse> ListForwards(Client& client, const std::string& vm);
absl::Status RemoveForward(Client& client, const std::string& id);

}  // namespace ember::cli
