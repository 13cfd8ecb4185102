#include "base/tree/partial_file.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/status.h"
#include "base/status_macros.h"

namespace ember::tree {
namespace {

// Somebody else's file of the same name is met by chance; more than once only by intent.
constexpr int kTries = 16;

absl::Status MoveTo(int directory, const std::string& temporary, const std::string& name) {
  if (::renameat(directory, temporary.c_str(), directory, name.c_str()) == 0) {
    return absl::OkStatus();
  }
  if (errno == EISDIR || errno == EEXIST || errno == ENOTEMPTY) {
    return AlreadyExists("a directory is there");
  }
  return ErrnoStatus(errno, "moving it into place");
}

}  // namespace

TemporaryNames::TemporaryNames() {
  uint64_t word = 0;
  (void)!::getrandom(&word, sizeof word, 0);  // without it the names are guessed, and O_EXCL helps
  prefix_ = fmt::format(".ember-{:016x}-", word);
}

std::string TemporaryNames::Next() { return prefix_ + std::to_string(count_++); }

absl::Status MakeInPlace(int directory, const std::string& name, TemporaryNames& names,
                         absl::FunctionRef<int(const char* name)> make) {
  if (make(name.c_str()) == 0) return absl::OkStatus();
  if (errno != EEXIST) return ErrnoStatus(errno, "making it");
  const std::string temporary = names.Next();
  if (make(temporary.c_str()) != 0) return ErrnoStatus(errno, "making it");
  absl::Status moved = MoveTo(directory, temporary, name);
  // Also after success: renaming one name of a file to another one of it leaves both.
  ::unlinkat(directory, temporary.c_str(), 0);
  return moved;
}

absl::StatusOr<PartialFile> PartialFile::Create(int directory, TemporaryNames& names) {
  for (int i = 0; i < kTries; ++i) {
    std::string name = names.Next();
    UniqueFd fd(::openat(directory, name.c_str(),
                         O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (fd.valid()) return PartialFile(directory, std::move(name), std::move(fd));
    if (errno != EEXIST) break;
  }
  return ErrnoStatus(errno, "making it");
}

PartialFile::PartialFile(PartialFile&& other) noexcept
    : directory_(other.directory_),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::move(other.fd_)),
      end_(other.end_) {}

PartialFile::~PartialFile() {
  if (!temporary_.empty()) ::unlinkat(directory_, temporary_.c_str(), 0);
}

absl::Status PartialFile::WriteAt(uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count =
        ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(errno, "writing");
    bytes.remove_prefix(static_cast<size_t>(count));
    offset += static_cast<uint64_t>(count);
  }
  end_ = offset;
  return absl::OkStatus();
}

absl::Status PartialFile::Complete(uint64_t size, const Attributes& attributes,
                                   const std::string& name) {
  // Only a hole at the end is not there yet.
  if (end_ < size && ::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) {
    return ErrnoStatus(errno, "setting the size");
  }
  RETURN_IF_ERROR(SetAttributes(fd_.get(), attributes));
  RETURN_IF_ERROR(MoveTo(directory_, temporary_, name));
  temporary_.clear();
  return absl::OkStatus();
}

}  // namespace ember::tree
