#pragma once

#include <string>

namespace ember::cli {

// `path` as the daemon, which has another working directory, must be told it.
std::string PathForDaemon(const std::string& path);

}  // namespace ember::cli
