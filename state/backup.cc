#include "state/backup.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/status.h"
#include "base/unique_fd.h"

namespace ember::state {
namespace {

// An empty file that SQLite takes for a new database; with its mode from the first byte on.
absl::Status MakeEmpty(const std::filesystem::path& path) {
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return ErrnoStatus(errno, path.native());
  UniqueFd made(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  return made.valid() ? absl::OkStatus() : ErrnoStatus(errno, path.native());
}

absl::Status Sync(const std::filesystem::path& path, int flags) {
  UniqueFd fd(open(path.c_str(), flags | O_CLOEXEC));
  if (!fd.valid() || fsync(fd.get()) != 0) return ErrnoStatus(errno, path.native());
  return absl::OkStatus();
}

absl::Status CopyTo(Database& database, const std::filesystem::path& path) {
  RETURN_IF_ERROR(MakeEmpty(path));
  ASSIGN_OR_RETURN(Statement copy, database.Prepare("VACUUM INTO ?1"));
  RETURN_IF_ERROR(copy.Run(path.native()));
  return Sync(path, O_RDONLY);
}

}  // namespace

absl::Status BackUp(Database& database, const std::filesystem::path& path) {
  const std::filesystem::path partial = path.native() + ".partial";
  absl::Status status = CopyTo(database, partial);
  if (status.ok() && rename(partial.c_str(), path.c_str()) != 0) {
    status = ErrnoStatus(errno, path.native());
  }
  if (!status.ok()) {
    unlink(partial.c_str());
    return status;
  }
  return Sync(path.parent_path(), O_RDONLY | O_DIRECTORY);
}

}  // namespace ember::state
