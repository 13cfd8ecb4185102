#include "backends/storage/copy_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "backends/storage/clone_request.h"
#include "backends/storage/new_file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace ember::storage {
namespace {

// A cancellation waits for one piece.
constexpr off_t kPiece = off_t{8} << 20;

bool MeansNotWithinKernel(int error) {
  return error == EXDEV || error == ENOSYS || error == EOPNOTSUPP || error == EINVAL;
}

// Copies up to `size` bytes at `offset` through this process; the number done.
ssize_t CopyThrough(int from, int to, off_t offset, size_t size) {
  std::string buffer(std::min<size_t>(size, size_t{1} << 20), '\0');
  const ssize_t got = pread(from, buffer.data(), buffer.size(), offset);
  if (got <= 0) return got;
  for (ssize_t done = 0; done < got;) {
    const ssize_t written =
        pwrite(to, buffer.data() + done, static_cast<size_t>(got - done), offset + done);
    if (written < 0) return -1;
    done += written;
  }
  return got;
}

// Copies one stretch of data. Not thread-safe.
class Copier {
 public:
  Copier(int from, int to, std::string_view name) : from_(from), to_(to), name_(name) {}

  absl::Status Copy(off_t begin, off_t end, const Cancellation& cancellation) {
    for (off_t offset = begin; offset < end;) {
      RETURN_IF_ERROR(cancellation.Check(fmt::format("copy of {}", name_)));
      const ssize_t done = CopyPiece(offset, std::min(kPiece, end - offset));
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) return ErrnoStatus(errno, fmt::format("copy {}", name_));
      if (done == 0) return DataLoss("{} became shorter while it was copied", name_);
      offset += done;
    }
    return absl::OkStatus();
  }

 private:
  ssize_t CopyPiece(off_t offset, off_t size) {
    if (within_kernel_) {
      off_t in = offset, out = offset;
      const ssize_t done = copy_file_range(from_, &in, to_, &out, static_cast<size_t>(size), 0);
      if (done >= 0 || !MeansNotWithinKernel(errno)) return done;
      within_kernel_ = false;
    }
    return CopyThrough(from_, to_, offset, static_cast<size_t>(size));
  }

  const int from_;
  const int to_;
  const std::string_view name_;
  bool within_kernel_ = true;
};

}  // namespace

absl::Status CopySparsely(int from, int to, std::string_view name,
                          const Cancellation& cancellation) {
  struct stat about;
  if (fstat(from, &about) != 0) return ErrnoStatus(errno, name);
  Copier copier(from, to, name);
  for (off_t offset = 0; offset < about.st_size;) {
    // A filesystem that knows no holes takes the whole file for data.
    const off_t data = lseek(from, offset, SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;
    const off_t begin = data < 0 ? offset : data;
    const off_t hole = lseek(from, begin, SEEK_HOLE);
    const off_t end = hole < 0 ? about.st_size : hole;
    RETURN_IF_ERROR(copier.Copy(begin, end, cancellation));
    offset = end;
  }
  return absl::OkStatus();
}

absl::StatusOr<Volume> CopyStore::Clone(const std::filesystem::path& source,
                                        const CloneTarget& target, uint64_t size_bytes,
                                        const Cancellation& cancellation) {
  RETURN_IF_ERROR(CheckCloneRequest(source, size_bytes));
  if (!copied_.test_and_set() && on_first_copy_) on_first_copy_();
  const UniqueFd from(open(source.c_str(), O_RDONLY | O_CLOEXEC));
  if (!from.valid()) return ErrnoStatus(errno, source.native());
  ASSIGN_OR_RETURN(NewFile clone, NewFile::Create(target.dir / (target.stem + ".img")));
  RETURN_IF_ERROR(CopySparsely(from.get(), clone.fd(), source.native(), cancellation));
  if (ftruncate(clone.fd(), static_cast<off_t>(size_bytes)) != 0) {
    return ErrnoStatus(errno, fmt::format("resize {}", clone.path().native()));
  }
  RETURN_IF_ERROR(clone.Finish());
  return Volume{clone.path(), VolumeFormat::kRaw, size_bytes};
}

}  // namespace ember::storage
