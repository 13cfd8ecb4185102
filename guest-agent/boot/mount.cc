#include "guest-agent/boot/mount.h"

#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/status.h"

namespace ember::agent {
namespace {

struct FlagName {
  std::string_view name;
  unsigned long set;
  unsigned long cleared;
};

constexpr std::array<FlagName, 10> kFlagNames = {{
    {"ro", MS_RDONLY, 0},
    {"rw", 0, MS_RDONLY},
    {"noatime", MS_NOATIME, 0},
    {"nodiratime", MS_NODIRATIME, 0},
    {"relatime", MS_RELATIME, 0},
    {"nosuid", MS_NOSUID, 0},
    {"nodev", MS_NODEV, 0},
    {"noexec", MS_NOEXEC, 0},
    {"sync", MS_SYNCHRONOUS, 0},
    {"lazytime", MS_LAZYTIME, 0},
}};

}  // namespace

absl::Status Mount(const MountSpec& spec) {
  if (mkdir(spec.target.c_str(), 0755) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, fmt::format("mkdir {}", spec.target.native()));
  }
  if (mount(spec.source.c_str(), spec.target.c_str(), spec.type.c_str(), spec.flags,
            spec.options.empty() ? nullptr : spec.options.c_str()) != 0) {
    return ErrnoStatus(errno, fmt::format("mount {} at {}", spec.type, spec.target.native()));
  }
  return absl::OkStatus();
}

bool IsMountPoint(const std::filesystem::path& path) {
  struct stat here {};
  struct stat parent {};
  return lstat(path.c_str(), &here) == 0 && lstat((path / "..").c_str(), &parent) == 0 &&
         here.st_dev != parent.st_dev;
}

MountOptions ParseMountOptions(std::string_view list) {
  MountOptions options;
  while (!list.empty()) {
    const size_t end = list.find(',');
    const std::string_view word = list.substr(0, end);
    list.remove_prefix(end == std::string_view::npos ? list.size() : end + 1);
    const auto known = std::find_if(kFlagNames.begin(), kFlagNames.end(),
                                    [word](const FlagName& flag) { return flag.name == word; });
    if (known != kFlagNames.end()) {
      options.flags = (options.flags | known->set) & ~known->cleared;
    } else if (!word.empty()) {
      if (!options.rest.empty()) options.rest += ',';
      options.rest += word;
    }
  }
  return options;
}

}  // namespace ember::agent
