#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace ember::images {

// How to build an image: from packages, or from a Dockerfile where `context` is given.
struct BuildRecipe {
  std::string from = {};                   // "busybox" or "debian:<suite>"
  std::vector<std::string> packages = {};  // Debian packages to add; not for busybox
  uint64_t size_bytes = 0;                 // of the filesystem; 0: what the content needs
  std::filesystem::path context = {};      // absolute: the folder that the Dockerfile copies from
  // Absolute; empty: "Containerfile" or "Dockerfile" in the context.
  std::filesystem::path dockerfile = {};
  std::map<std::string, std::string> build_args = {};
  std::string target = {};  // stage of the Dockerfile; empty: the last one

  friend bool operator==(const BuildRecipe&, const BuildRecipe&) = default;
};

}  // namespace ember::images
