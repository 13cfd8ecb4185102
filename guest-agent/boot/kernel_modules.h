#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"

namespace ember::agent {

// The names in a module order file: one a line, with or without ".ko"; blank lines and lines that
// begin with '#' are passed over, and so is a name with a '/'.
std::vector<std::string> ParseModuleOrder(std::string_view text);

// Loads the modules that `folder`/order names, in its order. One that is loaded already is fine;
// one that fails is logged: what it was needed for fails later and says so. A folder without the
// file means that the kernel has all it needs built in.
void LoadKernelModules(const std::filesystem::path& folder, const Log& log);

}  // namespace ember::agent
