#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ember::agent {

// A line of /proc/self/mountinfo, proc(5).
struct MountEntry {
  std::string mount_point;
  std::string device;     // "major:minor" of the file system; its mounts have the same
  std::string type;       // "ext4"
  std::string source;     // "/dev/vda"; whatever mount(2) was told
  bool writable = false;  // the file system is; a mount of it may still be read-only

  friend bool operator==(const MountEntry&, const MountEntry&) = default;
};

// In the order of the table: a later one may lie on an earlier one, at the same path too. Lines
// that make no sense are passed over.
std::vector<MountEntry> ParseMountTable(std::string_view mountinfo);

// The types of /proc/filesystems that need a block device.
std::vector<std::string> ParseDiskTypes(std::string_view filesystems);

// The file systems on disks that may be written: the first mount of each, the latest one first, so
// that a file system which lies in a file of another comes before it.
std::vector<MountEntry> WritableDisks(std::vector<MountEntry> mounts,
                                      const std::vector<std::string>& disk_types);

}  // namespace ember::agent
