#include "guest-agent/json/scratch_files.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>

#include <span>

#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/json/allowed_path.h"
#include "guest-agent/json/folder.h"

namespace ember::agent {
namespace {

using Visit = std::function<absl::Status(const ScratchFile&)>;

constexpr size_t kMostComponents = 64;  // each holds a descriptor while it is looked through
constexpr size_t kMostPattern = 4096;

// One pattern on its way down. As with a shell, a '*' does not match a leading '.'.
class ScratchWalk {
 public:
  ScratchWalk(const Cancellation& cancellation, const Visit& visit)
      : cancellation_(cancellation), visit_(visit) {}

  absl::Status In(int folder, const std::string& path, std::span<const std::string> patterns) {
    const auto names = NamesIn(folder);
    if (!names.ok()) return absl::OkStatus();
    for (const std::string& name : *names) {
      RETURN_IF_ERROR(cancellation_.Check("looking for files"));
      if (fnmatch(patterns[0].c_str(), name.c_str(), FNM_PERIOD) != 0) continue;
      RETURN_IF_ERROR(patterns.size() == 1 ? Offer(folder, name, path)
                                           : Below(folder, name, path, patterns.subspan(1)));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Offer(int folder, const std::string& name, const std::string& path) {
    struct stat info;
    if (fstatat(folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(info.st_mode)) {
      return absl::OkStatus();
    }
    return visit_({folder, name, path + "/" + name});
  }

  absl::Status Below(int folder, const std::string& name, const std::string& path,
                     std::span<const std::string> patterns) {
    const auto below = OpenFolderAt(folder, name);
    return below.ok() ? In(below->get(), path + "/" + name, patterns) : absl::OkStatus();
  }

  const Cancellation& cancellation_;
  const Visit& visit_;
};

}  // namespace

absl::StatusOr<std::vector<std::string>> BelowScratchRoot(const std::string& path) {
  RETURN_IF_ERROR(CheckAbsolute(path));
  auto components = ComponentsOf(path);
  if (components.size() < 2 || "/" + components[0] != kScratchRoot) {
    return InvalidArgument("'{}' is not strictly under /tmp/", path);
  }
  components.erase(components.begin());
  return components;
}

absl::Status ForEachScratchFile(const std::vector<std::string>& patterns,
                                const Cancellation& cancellation, const Visit& visit) {
  const auto root = OpenFolder(kScratchRoot);
  if (!root.ok()) return absl::OkStatus();
  ScratchWalk walk(cancellation, visit);
  for (const std::string& pattern : patterns) {
    if (pattern.size() > kMostPattern || pattern.find('\0') != std::string::npos) continue;
    const auto components = BelowScratchRoot(pattern);
    if (!components.ok() || components->size() > kMostComponents) continue;
    RETURN_IF_ERROR(walk.In(root->get(), std::string(kScratchRoot), *components));
  }
  return absl::OkStatus();
}

}  // namespace ember::agent
