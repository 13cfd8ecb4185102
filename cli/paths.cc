#include "cli/paths.h"

#include <filesystem>

namespace ember::cli {

std::string PathForDaemon(const std::string& path) {
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error);
  return error ? path : absolute.lexically_normal().string();
}

}  // namespace ember::cli
