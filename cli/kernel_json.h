#pragma once

#include <string>

#include "ember/v1/image.pb.h"

// As json.h.
namespace ember::cli {

std::string JsonText(const v1::Kernel& kernel);
std::string JsonText(const v1::ListKernelsResponse& response);

}  // namespace ember::cli
