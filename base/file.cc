#include "base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <system_error>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember {
namespace {

constexpr size_t kMaxFile = size_t{64} << 20;

absl::Status WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) return ErrnoStatus(errno, "write");
    if (written > 0) bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status WriteAndRename(int fd, const std::string& temporary, const std::filesystem::path& path,
                            std::string_view content, mode_t mode) {
  RETURN_IF_ERROR(WriteAll(fd, content));
  if (fchmod(fd, mode) != 0 || fsync(fd) != 0) return ErrnoStatus(errno, path.native());
  if (rename(temporary.c_str(), path.c_str()) != 0) return ErrnoStatus(errno, path.native());
  return SyncDirectory(path.parent_path());
}

// Makes one directory with exactly `mode`: the umask does not decide who may enter. An errno value,
// 0 for success.
int MakeDirectory(const std::filesystem::path& path, mode_t mode) {
  if (mkdir(path.c_str(), mode) != 0) return errno;
  return chmod(path.c_str(), mode) == 0 ? 0 : errno;
}

}  // namespace

absl::Status SyncDirectory(const std::filesystem::path& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || fsync(fd.get()) != 0) return ErrnoStatus(errno, path.native());
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadFile(const std::filesystem::path& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, path.native());
  std::string content;
  std::array<char, 16384> buffer;
  while (true) {
    const ssize_t got = read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, path.native());
    if (got == 0) return content;
    if (content.size() + static_cast<size_t>(got) > kMaxFile) {
      return ResourceExhausted("{} is larger than {} bytes", path.native(), kMaxFile);
    }
    content.append(buffer.data(), static_cast<size_t>(got));
  }
}

absl::Status WriteFileAtomically(const std::filesystem::path& path, std::string_view content,
                                 mode_t mode) {
  std::string temporary = path.native() + ".XXXXXX";
  UniqueFd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, path.native());
  const absl::Status status = WriteAndRename(fd.get(), temporary, path, content, mode);
  if (!status.ok()) unlink(temporary.c_str());
  return status.ok() ? status : Annotate(status, path.native());
}

absl::Status MakeDirectories(const std::filesystem::path& path, mode_t mode) {
  if (path.empty()) return absl::OkStatus();
  int error = MakeDirectory(path, mode);
  if (error == ENOENT) {
    RETURN_IF_ERROR(MakeDirectories(path.parent_path(), mode));
    error = MakeDirectory(path, mode);
  }
  if (error == EEXIST) {
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) return absl::OkStatus();
    return FailedPrecondition("{}: exists and is not a directory", path.native());
  }
  return error == 0 ? absl::OkStatus() : ErrnoStatus(error, path.native());
}

absl::Status MoveDirectory(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) != 0) {
    const int error = errno;
    std::error_code ignored;
    const bool done = error == ENOENT && std::filesystem::is_directory(to, ignored);
    if (!done) return ErrnoStatus(error, fmt::format("{} to {}", from.native(), to.native()));
  }
  RETURN_IF_ERROR(SyncDirectory(to.parent_path()));
  return SyncDirectory(from.parent_path());
}

absl::Status RemoveTree(const std::filesystem::path& path) {
  // An entry that goes by itself while we look, such as a socket that its owner closes, ends the
  // walk with ENOENT; what is left is for the next one.
  constexpr int kWalks = 100;
  std::error_code error;
  for (int walk = 0; walk < kWalks; ++walk) {
    std::filesystem::remove_all(path, error);
    if (error != std::errc::no_such_file_or_directory) break;
  }
  if (error) return ErrnoStatus(error.value(), path.native());
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> LockFile(const std::filesystem::path& path) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) return ErrnoStatus(errno, path.native());
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno == EWOULDBLOCK) return AlreadyExists("{} is locked by another process", path.native());
  return ErrnoStatus(errno, path.native());
}

absl::StatusOr<std::string> HostBootId() {
  ASSIGN_OR_RETURN(std::string id, ReadFile("/proc/sys/kernel/random/boot_id"));
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

namespace {

using UuidBytes = std::array<unsigned char, 16>;

absl::StatusOr<UuidBytes> RandomBytes() {
  UuidBytes bytes;
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return ErrnoStatus(errno, "getrandom");
  }
  return bytes;
}

// With the marks of a version and of the RFC's variant.
std::string UuidText(UuidBytes bytes, unsigned version) {
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | (version << 4));
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text.push_back('-');
    text += fmt::format("{:02x}", bytes[i]);
  }
  return text;
}

}  // namespace

absl::StatusOr<std::string> RandomUuid() {
  ASSIGN_OR_RETURN(const UuidBytes bytes, RandomBytes());
  return UuidText(bytes, 4);
}

absl::StatusOr<std::string> TimeOrderedUuid() {
  ASSIGN_OR_RETURN(UuidBytes bytes, RandomBytes());
  uint64_t milliseconds = static_cast<uint64_t>(absl::ToUnixMillis(absl::Now()));
  for (int i = 5; i >= 0; --i, milliseconds >>= 8) {
    bytes[static_cast<size_t>(i)] = static_cast<unsigned char>(milliseconds);
  }
  return UuidText(bytes, 7);
}

}  // namespace ember
