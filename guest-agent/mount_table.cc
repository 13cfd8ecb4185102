#include "guest-agent/mount_table.h"

#include <algorithm>
#include <set>

#include "guest-agent/proc_text.h"

namespace ember::agent {
namespace {

// Columns: id, parent, device, root, mount point, options, then optional ones up to "-", behind
// which stand type, source and the options of the file system.
constexpr size_t kDevice = 2;
constexpr size_t kMountPoint = 4;
constexpr size_t kFirstOptional = 6;

bool IsOctal(char c) { return c >= '0' && c <= '7'; }

// Space, tab, line end and backslash stand as a backslash and three octal digits.
std::string Unescaped(std::string_view text) {
  std::string plain;
  while (!text.empty()) {
    if (text[0] == '\\' && text.size() >= 4 && std::all_of(&text[1], &text[4], IsOctal)) {
      plain.push_back(
          static_cast<char>((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0')));
      text.remove_prefix(4);
    } else {
      plain.push_back(text[0]);
      text.remove_prefix(1);
    }
  }
  return plain;
}

bool IsWritable(std::string_view options) { return options.substr(0, options.find(',')) == "rw"; }

}  // namespace

std::vector<MountEntry> ParseMountTable(std::string_view mountinfo) {
  std::vector<MountEntry> mounts;
  for (const std::string_view line : LinesOf(mountinfo)) {
    const auto words = WordsOf(line);
    if (words.size() <= kFirstOptional) continue;
    const auto rest = std::find(words.begin() + kFirstOptional, words.end(), "-");
    if (words.end() - rest < 4) continue;
    mounts.push_back({.mount_point = Unescaped(words[kMountPoint]),
                      .device = std::string(words[kDevice]),
                      .type = std::string(rest[1]),
                      .source = Unescaped(rest[2]),
                      .writable = IsWritable(rest[3])});
  }
  return mounts;
}

std::vector<std::string> ParseDiskTypes(std::string_view filesystems) {
  std::vector<std::string> types;
  for (const std::string_view line : LinesOf(filesystems)) {
    const auto words = WordsOf(line);
    if (words.size() == 1) types.emplace_back(words[0]);  // the others have "nodev" before them
  }
  return types;
}

std::vector<MountEntry> WritableDisks(std::vector<MountEntry> mounts,
                                      const std::vector<std::string>& disk_types) {
  std::vector<MountEntry> disks;
  std::set<std::string> seen;
  for (MountEntry& mount : mounts) {
    const bool on_disk =
        std::find(disk_types.begin(), disk_types.end(), mount.type) != disk_types.end();
    if (!on_disk || !mount.writable || !seen.insert(mount.device).second) continue;
    disks.push_back(std::move(mount));
  }
  std::reverse(disks.begin(), disks.end());
  return disks;
}

}  // namespace ember::agent
