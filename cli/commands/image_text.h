#pragma once

#include <string>

#include "ember/v1/image.pb.h"

// How images and kernels are shown by the commands that show them.
namespace ember::cli {

std::string ImageTableText(const v1::ListImagesResponse& response);
std::string ImageText(const v1::Image& image);
std::string KernelTableText(const v1::ListKernelsResponse& response);

}  // namespace ember::cli
