#include "guest-agent/json/replaced_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "absl/cleanup/cleanup.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace ember::agent {
namespace {

namespace fs = std::filesystem;

constexpr int kMostLinks = 40;  // as the kernel has it
constexpr size_t kPiece = size_t{1} << 20;

// Where a write to `path` goes: behind its links, also where the last one leads to nothing yet.
absl::StatusOr<fs::path> BehindLinks(fs::path path) {
  std::error_code error;
  for (int links = 0; links < kMostLinks; ++links) {
    const fs::path target = fs::read_symlink(path, error);
    if (error) return path;
    path = path.parent_path() / target;
  }
  return ErrnoStatus(ELOOP, "open");
}

// A new file has the mode 0644; of one that is there mode and owner are kept, the owner where we
// may.
absl::Status TakeOver(const fs::path& path, int temporary) {
  struct stat old;
  if (lstat(path.c_str(), &old) != 0) {
    if (errno != ENOENT) return ErrnoStatus(errno, "stat");
    return fchmod(temporary, 0644) == 0 ? absl::OkStatus() : ErrnoStatus(errno, "chmod");
  }
  if (S_ISDIR(old.st_mode)) return ErrnoStatus(EISDIR, "open");
  if (!S_ISREG(old.st_mode)) return FailedPrecondition("it is not a regular file");
  if (fchown(temporary, old.st_uid, old.st_gid) != 0 && errno != EPERM) {
    return ErrnoStatus(errno, "chown");
  }
  return fchmod(temporary, old.st_mode & 07777) == 0 ? absl::OkStatus()
                                                     : ErrnoStatus(errno, "chmod");
}

absl::Status WriteAll(int fd, std::string_view bytes, const Cancellation& cancellation) {
  while (!bytes.empty()) {
    RETURN_IF_ERROR(cancellation.Check("write"));
    const ssize_t written = write(fd, bytes.data(), std::min(bytes.size(), kPiece));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, "write");
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReplaceFile(const std::string& path, std::string_view content,
                         const Cancellation& cancellation) {
  ASSIGN_OR_RETURN(const fs::path target, BehindLinks(path));
  // Not the file's own name with something behind it, which could be too long.
  std::string temporary = target.parent_path() / ".ember-write-XXXXXX";
  const UniqueFd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, "open");
  absl::Cleanup undo = [&temporary] { unlink(temporary.c_str()); };
  RETURN_IF_ERROR(TakeOver(target, fd.get()));
  RETURN_IF_ERROR(WriteAll(fd.get(), content, cancellation));
  if (rename(temporary.c_str(), target.c_str()) != 0) return ErrnoStatus(errno, "rename");
  std::move(undo).Cancel();
  return absl::OkStatus();
}

}  // namespace ember::agent
