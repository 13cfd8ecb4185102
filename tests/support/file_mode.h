#pragma once

#include <sys/stat.h>

#include <filesystem>

#include "tests/support/catch.h"

namespace ember::testing {

// The permission bits of what is at `path`.
inline mode_t ModeOf(const std::filesystem::path& path) {
  struct stat found = {};
  REQUIRE(stat(path.c_str(), &found) == 0);
  return found.st_mode & 07777;
}

}  // namespace ember::testing
