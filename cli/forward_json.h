#pragma once

#include <string>

#include "ember/v1/forward_service.pb.h"

// As json.h.
namespace ember::cli {

std::string JsonText(const v1::Forward& forward);
std::string JsonText(const v1::ListForwardsResponse& response);

}  // namespace ember::cli
