#pragma once

#include <string>
#include <vector>

namespace ember::images {

// Our environment with LC_ALL=C and `extra` ("NAME=value" each) in place of what it says there: for
// tools whose words we read.
std::vector<std::string> ToolEnvironment(const std::vector<std::string>& extra = {});

}  // namespace ember::images
