#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace ember::agent {

struct MountSpec {
  std::string type;
  std::filesystem::path target;
  unsigned long flags = 0;  // MS_*, mount(2)
  std::string options;      // for the filesystem
  std::string source = "none";
};

// Mounts one filesystem; a missing target is made. The error names target and cause.
absl::Status Mount(const MountSpec& spec);

// Whether a filesystem of its own is mounted at `path`, which is no symbolic link.
bool IsMountPoint(const std::filesystem::path& path);

// The flags and the rest of a list of mount options such as "ro,noatime,data=writeback".
struct MountOptions {
  unsigned long flags = 0;
  std::string rest;

  friend bool operator==(const MountOptions&, const MountOptions&) = default;
};
MountOptions ParseMountOptions(std::string_view list);

}  // namespace ember::agent
