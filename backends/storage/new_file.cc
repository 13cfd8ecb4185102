#include "backends/storage/new_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "base/status.h"

namespace ember::storage {

absl::StatusOr<NewFile> NewFile::Create(const std::filesystem::path& path) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid()) return ErrnoStatus(errno, path.native());
  return NewFile(path, std::move(fd));
}

absl::StatusOr<NewFile> NewFile::CreateUnique(const std::filesystem::path& dir,
                                              std::string_view prefix) {
  std::string path = fmt::format("{}/{}XXXXXX", dir.native(), prefix);
  UniqueFd fd(mkostemp(path.data(), O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, dir.native());
  return NewFile(path, std::move(fd));
}

NewFile::NewFile(NewFile&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::move(other.fd_)),
      kept_(std::exchange(other.kept_, true)) {}

NewFile::~NewFile() {
  if (!kept_) unlink(path_.c_str());
}

absl::Status NewFile::Finish() {
  // ext4, XFS and btrfs put the name of a new file on disk with it: metadata keeps its order.
  if (fsync(fd_.get()) != 0) return ErrnoStatus(errno, path_.native());
  kept_ = true;
  return absl::OkStatus();
}

}  // namespace ember::storage
