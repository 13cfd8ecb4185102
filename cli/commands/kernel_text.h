#pragma once

#include <string>

#include "ember/v1/image.pb.h"

// How kernels are shown by the commands that show them.
namespace ember::cli {

std::string KernelTableText(const v1::ListKernelsResponse& response);
std::string KernelText(const v1::Kernel& kernel);

}  // namespace ember::cli
