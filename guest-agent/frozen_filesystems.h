#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/unique_fd.h"

namespace ember::agent {

// File systems that stand still: who writes to one waits (FIFREEZE, ioctl_fsfreeze(2)). They are
// thawed when the object goes and, whatever becomes of this process, by a guard: a process of its
// own that thaws them when the time is over or when we are gone. Nothing here writes to a disk
// while they are frozen. Blocks; not thread-safe.
class FrozenFilesystems {
 public:
  // Writes back what is not yet on the disks, then freezes them in this order; none is frozen for
  // longer than `limit`. A file system that can't be frozen at all is left out. After an error none
  // is frozen by us: FailedPrecondition for one that somebody else has frozen, DeadlineExceeded
  // when the last was not frozen in time.
  static absl::StatusOr<std::unique_ptr<FrozenFilesystems>> Freeze(
      const std::vector<std::string>& mount_points, absl::Duration limit);
  // As Thaw.
  ~FrozenFilesystems();
  FrozenFilesystems(const FrozenFilesystems&) = delete;
  FrozenFilesystems& operator=(const FrozenFilesystems&) = delete;

  // Those that are frozen, in the order in which it was done.
  std::vector<std::string> mount_points() const;

  // Thaws them, the last first. DeadlineExceeded when one was not frozen all the time.
  absl::Status Thaw();

 private:
  struct Board;
  struct Folder {
    std::string mount_point;
    UniqueFd fd;
    bool frozen = false;
  };

  explicit FrozenFilesystems(Board* board) : board_(board) {}
  absl::Status Open(const std::vector<std::string>& mount_points);
  absl::Status StartGuard(absl::Duration limit);
  absl::Status FreezeAll();
  void EndGuard();

  Board* const board_;  // shared with the guard, in a mapping of its own
  std::vector<Folder> folders_;
  UniqueFd lifeline_;  // the guard notices when it closes
  pid_t guard_ = 0;
};

}  // namespace ember::agent
