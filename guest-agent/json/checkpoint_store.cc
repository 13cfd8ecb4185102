#include "guest-agent/json/checkpoint_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/time/clock.h"
#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/json/allowed_path.h"
#include "guest-agent/json/folder.h"
#include "guest-agent/json/tree_removal.h"

namespace ember::agent {
namespace {

constexpr std::string_view kStaging = ".staging-";
constexpr const char* kLock = ".lock";
constexpr absl::Duration kLockPause = absl::Milliseconds(20);
constexpr size_t kMostDepth = 300;

absl::StatusOr<UniqueFd> Lock(int folder, const Cancellation& cancellation) {
  UniqueFd lock(openat(folder, kLock, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!lock.valid()) return ErrnoStatus(errno, kLock);
  while (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return ErrnoStatus(errno, kLock);
    RETURN_IF_ERROR(cancellation.Pause(kLockPause, "waiting for another checkpoint"));
  }
  return lock;
}

absl::StatusOr<uint64_t> BytesBelow(int folder, size_t depth, const Cancellation& cancellation) {
  if (depth > kMostDepth) return ResourceExhausted("the checkpoints are too deep");
  uint64_t bytes = 0;
  ASSIGN_OR_RETURN(const auto names, NamesIn(folder));
  for (const std::string& name : names) {
    RETURN_IF_ERROR(cancellation.Check("measuring checkpoints"));
    struct stat info;
    if (fstatat(folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISREG(info.st_mode)) bytes += static_cast<uint64_t>(info.st_size);
    if (!S_ISDIR(info.st_mode)) continue;
    ASSIGN_OR_RETURN(const UniqueFd below, OpenFolderAt(folder, name));
    ASSIGN_OR_RETURN(const uint64_t more, BytesBelow(below.get(), depth + 1, cancellation));
    bytes += more;
  }
  return bytes;
}

}  // namespace

absl::StatusOr<CheckpointStore> CheckpointStore::Open(const std::string& path, IfMissing if_missing,
                                                      const Cancellation& cancellation) {
  RETURN_IF_ERROR(CheckAbsolute(path));
  if (if_missing == IfMissing::kMake) RETURN_IF_ERROR(MakeDirectories(path, 0700));
  const std::unique_ptr<char, void (*)(void*)> resolved(realpath(path.c_str(), nullptr), std::free);
  if (resolved == nullptr) return ErrnoStatus(errno, path);
  CheckpointStore store;
  store.path_ = resolved.get();
  ASSIGN_OR_RETURN(store.folder_, OpenFolder(store.path_));
  ASSIGN_OR_RETURN(store.lock_, Lock(store.folder(), cancellation));
  return store;
}

absl::Status CheckpointStore::CheckApart(const std::string& workspace) const {
  if (!IsAtOrUnder(workspace, path_) && !IsAtOrUnder(path_, workspace)) return absl::OkStatus();
  return InvalidArgument("workspace '{}' and checkpoint root '{}' lie within each other", workspace,
                         path_);
}

absl::Status CheckpointStore::RemoveLeftovers(const Cancellation& cancellation) const {
  ASSIGN_OR_RETURN(const auto names, NamesIn(folder()));
  for (const std::string& name : names) {
    if (!name.starts_with(kStaging)) continue;
    RETURN_IF_ERROR(RemoveEntry(folder(), name, cancellation).status());
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> CheckpointStore::UsedBytes(const Cancellation& cancellation) const {
  return BytesBelow(folder(), 0, cancellation);
}

std::string CheckpointStore::StagingName(const std::string& id) {
  return std::string(kStaging) + id;
}

absl::StatusOr<std::string> NewCheckpointId() {
  uint32_t number = 0;
  if (getrandom(&number, sizeof number, 0) != sizeof number) {
    return ErrnoStatus(errno, "getrandom");
  }
  return fmt::format("cp-{}-{:08x}", absl::ToUnixSeconds(absl::Now()), number);
}

absl::Status CheckCheckpointId(const std::string& id) {
  const bool plain = std::all_of(id.begin(), id.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
  });
  if (plain && !id.empty() && id.front() != '.' && id.find("..") == std::string::npos) {
    return absl::OkStatus();
  }
  return InvalidArgument("'{}' is no checkpoint id", id);
}

}  // namespace ember::agent
