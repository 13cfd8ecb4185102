#pragma once

#include <string>

#include "ember/v1/image.pb.h"

// How images are shown by the commands that show them.
namespace ember::cli {

std::string ImageTableText(const v1::ListImagesResponse& response);
std::string ImageText(const v1::Image& image);

}  // namespace ember::cli
