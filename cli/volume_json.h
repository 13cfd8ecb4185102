#pragma once

#include <string>

#include "ember/v1/storage_service.pb.h"

// As cli/json.h.
namespace ember::cli {

std::string JsonText(const v1::Volume& volume);
std::string JsonText(const v1::ListVolumesResponse& response);

}  // namespace ember::cli
