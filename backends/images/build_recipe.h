#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ember::images {

// How to build an image.
struct BuildRecipe {
  std::string from;                   // "busybox" or "debian:<suite>"
  std::vector<std::string> packages;  // Debian packages to add; not for busybox
  uint64_t size_bytes = 0;            // of the filesystem; 0: what the content needs

  friend bool operator==(const BuildRecipe&, const BuildRecipe&) = default;
};

}  // namespace ember::images
