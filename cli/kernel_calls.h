#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "cli/client.h"
#include "ember/v1/image.pb.h"

// Calls of ImageService that are about kernels; see Client.
namespace ember::cli {

absl::StatusOr<v1::Kernel> GetKernel(Client& client, const std::string& name);
absl::StatusOr<v1::Kernel> SetDefaultKernel(Client& client, const std::string& name);

}  // namespace ember::cli
