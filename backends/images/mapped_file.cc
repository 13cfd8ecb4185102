#include "backends/images/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/status.h"
#include "base/unique_fd.h"

namespace ember::images {

absl::StatusOr<MappedFile> MappedFile::Open(const std::filesystem::path& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat about {};
  if (!fd.valid() || fstat(fd.get(), &about) != 0) return ErrnoStatus(errno, path.native());
  if (!S_ISREG(about.st_mode)) return FailedPrecondition("{}: not a regular file", path.native());
  if (about.st_size == 0) return MappedFile(std::string_view());
  const size_t size = static_cast<size_t>(about.st_size);
  void* start = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (start == MAP_FAILED) return ErrnoStatus(errno, path.native());
  return MappedFile(std::string_view(static_cast<const char*>(start), size));
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<char*>(bytes_.data()), bytes_.size());
}

}  // namespace ember::images
