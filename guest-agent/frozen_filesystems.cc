#include "guest-agent/frozen_filesystems.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <ctime>
#include <utility>

#include "base/cancellation.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::agent {

struct FrozenFilesystems::Board {
  std::atomic<size_t> begun{0};  // so many of the folders are to be thawed
  std::atomic<bool> expired{false};
};

namespace {

// As the kernel is asked for it: nothing between a fork and the end of the guard may take a lock.
long Ioctl(int fd, unsigned long request) { return syscall(SYS_ioctl, fd, request, 0); }

// Waits until `fd` hangs up or `deadline` is over.
bool HangsUp(int fd, Deadline deadline) {
  while (true) {
    const absl::Duration left = deadline.Remaining();
    const timespec span = absl::ToTimespec(std::min(left, absl::Hours(1)));
    pollfd wait{fd, 0, 0};
    if (syscall(SYS_ppoll, &wait, 1, &span, nullptr, 0) > 0) return true;
    if (deadline.expired()) return false;
  }
}

// Keeps no connection of the agent open, and no socket that it listens on. `kept` is sorted.
void CloseAllBut(const std::vector<int>& kept) {
  unsigned int first = STDERR_FILENO + 1U;
  for (const int fd : kept) {
    const auto number = static_cast<unsigned int>(fd);
    if (number > first) syscall(SYS_close_range, first, number - 1, 0U);
    first = number + 1;
  }
  syscall(SYS_close_range, first, ~0U, 0U);
}

// A child that nobody is told about when it ends: whoever reaps the agent's children must not take
// it. Once the agent is gone it is process 1's, as any other.
pid_t ForkUnseen() {
  return static_cast<pid_t>(syscall(SYS_clone, 0UL, nullptr, nullptr, nullptr, nullptr));
}

}  // namespace

absl::StatusOr<std::unique_ptr<FrozenFilesystems>> FrozenFilesystems::Freeze(
    const std::vector<std::string>& mount_points, absl::Duration limit) {
  void* const memory =
      mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return ErrnoStatus(errno, "freeze");
  std::unique_ptr<FrozenFilesystems> frozen(new FrozenFilesystems(new (memory) Board));
  RETURN_IF_ERROR(frozen->Open(mount_points));
  RETURN_IF_ERROR(frozen->StartGuard(limit));
  RETURN_IF_ERROR(frozen->FreezeAll());
  return frozen;
}

FrozenFilesystems::~FrozenFilesystems() {
  Thaw().IgnoreError();  // whoever cares has called it
  EndGuard();
  munmap(board_, sizeof(Board));
}

// What waits to be written is written before anything stands still: the freeze itself is short
// then.
absl::Status FrozenFilesystems::Open(const std::vector<std::string>& mount_points) {
  for (const std::string& mount_point : mount_points) {
    UniqueFd fd(open(mount_point.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (!fd.valid()) return ErrnoStatus(errno, mount_point);
    if (syncfs(fd.get()) != 0) return ErrnoStatus(errno, fmt::format("sync {}", mount_point));
    folders_.push_back({mount_point, std::move(fd)});
  }
  return absl::OkStatus();
}

absl::Status FrozenFilesystems::StartGuard(absl::Duration limit) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return ErrnoStatus(errno, "freeze");
  const UniqueFd watched(ends[0]);
  lifeline_ = UniqueFd(ends[1]);
  std::vector<int> kept = {watched.get()};
  for (const Folder& folder : folders_) kept.push_back(folder.fd.get());
  std::sort(kept.begin(), kept.end());
  const Deadline deadline = Deadline::After(limit);
  // A signal that is meant for the agent must not end the guard, nor run the agent's handlers
  // there.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  guard_ = ForkUnseen();
  if (guard_ == 0) {
    CloseAllBut(kept);
    const auto thaw = [this] {
      for (size_t i = board_->begun; i > 0; --i) Ioctl(folders_[i - 1].fd.get(), FITHAW);
    };
    if (!HangsUp(watched.get(), deadline)) {
      board_->expired = true;
      thaw();
      // One may be about to be frozen just now: whoever does it ends, or lets go of it, after that.
      while (!HangsUp(watched.get(), Deadline::Infinite())) {
      }
    }
    thaw();
    syscall(SYS_exit_group, 0);
  }
  const int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return guard_ > 0 ? absl::OkStatus() : ErrnoStatus(error, "freeze: the guard");
}

absl::Status FrozenFilesystems::FreezeAll() {
  for (size_t i = 0; i < folders_.size(); ++i) {
    Folder& folder = folders_[i];
    board_->begun = i + 1;
    folder.frozen = Ioctl(folder.fd.get(), FIFREEZE) == 0;
    if (folder.frozen || errno == EOPNOTSUPP) continue;
    const int error = errno;
    // Not ours: it is left as it is.
    board_->begun = i;
    if (error == EBUSY) {
      return FailedPrecondition("{} is frozen already, by somebody in the guest",
                                folder.mount_point);
    }
    return ErrnoStatus(error, fmt::format("freeze {}", folder.mount_point));
  }
  if (board_->expired) return DeadlineExceeded("freezing the file systems took too long");
  return absl::OkStatus();
}

std::vector<std::string> FrozenFilesystems::mount_points() const {
  std::vector<std::string> frozen;
  for (const Folder& folder : folders_) {
    if (folder.frozen) frozen.push_back(folder.mount_point);
  }
  return frozen;
}

absl::Status FrozenFilesystems::Thaw() {
  absl::Status whole;
  // The one that holds another's file goes first, since to thaw is to write.
  for (auto folder = folders_.rbegin(); folder != folders_.rend(); ++folder) {
    if (!std::exchange(folder->frozen, false)) continue;
    if (Ioctl(folder->fd.get(), FITHAW) == 0) continue;
    whole = errno == EINVAL ? DeadlineExceeded("{} was thawed before its time", folder->mount_point)
                            : ErrnoStatus(errno, fmt::format("thaw {}", folder->mount_point));
  }
  board_->begun = 0;
  return whole;
}

void FrozenFilesystems::EndGuard() {
  if (guard_ <= 0) return;
  lifeline_.Reset();
  while (waitpid(guard_, nullptr, __WCLONE) < 0 && errno == EINTR) {
  }
}

}  // namespace ember::agent
