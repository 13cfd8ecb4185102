#include "guest-agent/boot/root_switch.h"

#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/check.h"
#include "base/status.h"

namespace ember::agent {
namespace {

// Removes what lies on the same device as `device`; mount points stay. What can't be removed only
// costs memory.
void RemoveFiles(const std::filesystem::path& folder, dev_t device) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    struct stat status {};
    if (lstat(entry.path().c_str(), &status) != 0 || status.st_dev != device) continue;
    if (S_ISDIR(status.st_mode)) {
      RemoveFiles(entry.path(), device);
      rmdir(entry.path().c_str());
    } else {
      unlink(entry.path().c_str());
    }
  }
}

}  // namespace

bool RootIsInitramfs() {
  struct statfs root {};
  return statfs("/", &root) == 0 && (root.f_type == RAMFS_MAGIC || root.f_type == TMPFS_MAGIC);
}

absl::Status SwitchRoot(const std::filesystem::path& new_root) {
  // What follows removes the files of "/": never on a system that anybody needs.
  EMBER_CHECK(getpid() == 1 && RootIsInitramfs());
  for (const char* folder : {"/dev", "/proc"}) {
    const std::string target = new_root.native() + folder;
    if (mkdir(target.c_str(), 0755) != 0 && errno != EEXIST) return ErrnoStatus(errno, target);
    if (mount(folder, target.c_str(), nullptr, MS_MOVE, nullptr) != 0) {
      return ErrnoStatus(errno, fmt::format("move {} to {}", folder, target));
    }
  }
  struct stat root {};
  if (stat("/", &root) != 0) return ErrnoStatus(errno, "/");
  RemoveFiles("/", root.st_dev);
  if (chdir(new_root.c_str()) != 0) return ErrnoStatus(errno, new_root.native());
  if (mount(".", "/", nullptr, MS_MOVE, nullptr) != 0) return ErrnoStatus(errno, "move the root");
  if (chroot(".") != 0 || chdir("/") != 0) return ErrnoStatus(errno, "chroot");
  return absl::OkStatus();
}

}  // namespace ember::agent
