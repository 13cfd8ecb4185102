#include "backends/storage/reflink_store.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

#include "backends/storage/clone_request.h"
#include "backends/storage/new_file.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::storage {
namespace {

bool MeansNoReflinks(int error) {
  return error == EOPNOTSUPP || error == ENOTTY || error == EXDEV || error == EINVAL ||
         error == ENOSYS;
}

absl::Status CloneInto(const NewFile& target, int source) {
  if (ioctl(target.fd(), FICLONE, source) == 0) return absl::OkStatus();
  if (MeansNoReflinks(errno)) {
    return FailedPrecondition("{}: the filesystem cannot clone files", target.path().native());
  }
  return ErrnoStatus(errno, fmt::format("clone to {}", target.path().native()));
}

}  // namespace

absl::StatusOr<Volume> ReflinkStore::Clone(const std::filesystem::path& source,
                                           const CloneTarget& target, uint64_t size_bytes,
                                           const Cancellation& cancellation) {
  RETURN_IF_ERROR(cancellation.Check("clone of " + source.native()));
  RETURN_IF_ERROR(CheckCloneRequest(source, size_bytes));
  const UniqueFd from(open(source.c_str(), O_RDONLY | O_CLOEXEC));
  if (!from.valid()) return ErrnoStatus(errno, source.native());
  ASSIGN_OR_RETURN(NewFile clone, NewFile::Create(target.dir / (target.stem + ".img")));
  RETURN_IF_ERROR(CloneInto(clone, from.get()));
  if (ftruncate(clone.fd(), static_cast<off_t>(size_bytes)) != 0) {
    return ErrnoStatus(errno, fmt::format("resize {}", clone.path().native()));
  }
  RETURN_IF_ERROR(clone.Finish());
  return Volume{clone.path(), VolumeFormat::kRaw, size_bytes};
}

absl::StatusOr<bool> CanReflink(const std::filesystem::path& from,
                                const std::filesystem::path& to) {
  ASSIGN_OR_RETURN(const NewFile target, NewFile::CreateUnique(to, ".reflink-"));
  // Images that we can't write next to (another user's) may still be overlaid.
  const auto source = NewFile::CreateUnique(from, ".reflink-");
  if (!source.ok()) return false;
  const std::string block(4096, 'e');
  if (write(source->fd(), block.data(), block.size()) != static_cast<ssize_t>(block.size())) {
    return false;
  }
  return CloneInto(target, source->fd()).ok();
}

}  // namespace ember::storage
