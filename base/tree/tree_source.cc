#include "base/tree/tree_source.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <memory>
#include <optional>

#include "base/status.h"
#include "base/status_macros.h"
#include "base/tree/tar_header.h"
#include "base/unique_fd.h"

namespace ember::tree {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

std::string LastComponent(const std::string& path) {
  const size_t end = path.find_last_not_of('/') + 1;
  const size_t slash = end == 0 ? std::string::npos : path.rfind('/', end - 1);
  const size_t start = slash == std::string::npos ? 0 : slash + 1;
  return path.substr(start, end - start);
}

bool IsOwnEntry(std::string_view name) { return name == "." || name == ".."; }

// The entry or its target; nothing when there is none any more.
std::optional<struct stat> StatMember(int directory, const char* name, bool follow) {
  struct stat status {};
  if (follow && ::fstatat(directory, name, &status, 0) == 0) return status;
  if (::fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0) return status;
  return std::nullopt;
}

}  // namespace

absl::StatusOr<TreeSummary> TreeSource::Send(const std::string& path, SourceOptions options,
                                             PieceWriter& out) {
  TreeSource source(path, options, out);
  RETURN_IF_ERROR(source.SendTop());
  RETURN_IF_ERROR(out.Write(TarEnd()));
  RETURN_IF_ERROR(out.Flush());
  return std::move(source.summary_);
}

TreeSource::TreeSource(std::string path, SourceOptions options, PieceWriter& out)
    : path_(std::move(path)), options_(options), out_(out) {}

absl::Status TreeSource::SendTop() {
  if (path_.empty()) return InvalidArgument("no path");
  if (options_.contents) {
    UniqueFd fd(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return fd.valid() ? SendMembers(fd.Release()) : Failure(errno);
  }
  name_ = LastComponent(path_);
  prefix_ = name_.size();
  if (name_.empty() || IsOwnEntry(name_)) {
    return InvalidArgument("{}: it has no name of its own; copy what is in it", path_);
  }
  struct stat status {};
  if (::stat(path_.c_str(), &status) != 0) return Failure(errno);
  return SendMember(AT_FDCWD, path_.c_str(), DT_UNKNOWN);
}

absl::Status TreeSource::SendMember(int directory, const char* name, unsigned char type) {
  if (type == DT_REG) return SendFile(directory, name);
  const auto status = StatMember(directory, name, follow_);
  if (!status.has_value()) return errno == ENOENT ? absl::OkStatus() : Failure(errno);
  switch (status->st_mode & S_IFMT) {
    case S_IFREG:
      return SendFile(directory, name);
    case S_IFDIR:
      return SendDirectory(directory, name);
    case S_IFLNK:
      return SendSymlink(directory, name, *status);
    case S_IFSOCK:
      summary_.Skip(name_);
      return absl::OkStatus();
    default:
      return SendHeader(EntryOf(*status));
  }
}

absl::Status TreeSource::SendFile(int directory, const char* name) {
  // O_NONBLOCK: should a FIFO be there by now, nobody waits for its writer.
  const int follow = follow_ ? 0 : O_NOFOLLOW;
  const UniqueFd fd(
      ::openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | follow));
  if (!fd.valid()) return errno == ENOENT ? absl::OkStatus() : Failure(errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return Failure(errno);
  if (!S_ISREG(status.st_mode)) {
    summary_.Skip(name_);
    return absl::OkStatus();
  }
  Entry entry = EntryOf(status);
  entry.name = name_;
  if (status.st_nlink > 1) {
    const std::string* sent = sent_.FindOrAdd(status.st_dev, status.st_ino, name_);
    if (sent != nullptr) {
      entry.kind = EntryKind::kHardLink;
      entry.target = *sent;
      entry.size = 0;
      return SendHeader(entry);
    }
  }
  ++summary_.files;
  const auto sent = SendFileContent(fd.get(), std::move(entry), out_);
  if (!sent.ok()) return Annotate(sent.status(), path_ + name_.substr(prefix_));
  summary_.bytes += *sent;
  return absl::OkStatus();
}

absl::Status TreeSource::SendDirectory(int directory, const char* name) {
  const int follow = follow_ ? 0 : O_NOFOLLOW;
  UniqueFd fd(::openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | follow));
  if (!fd.valid()) return errno == ENOENT ? absl::OkStatus() : Failure(errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return Failure(errno);
  if (IsAncestor(status)) {  // a link into the folder that it is in
    summary_.Skip(name_);
    return absl::OkStatus();
  }
  if (ancestors_.size() >= kMaxDepth) {
    return InvalidArgument("{}: folders nested deeper than {}", path_, kMaxDepth);
  }
  ancestors_.emplace_back(status.st_dev, status.st_ino);
  RETURN_IF_ERROR(SendHeader(EntryOf(status)));
  RETURN_IF_ERROR(SendMembers(fd.Release()));
  ancestors_.pop_back();
  return absl::OkStatus();
}

// Takes `fd` over.
absl::Status TreeSource::SendMembers(int fd) {
  const Directory directory(::fdopendir(fd));
  if (directory == nullptr) {
    const int error = errno;
    ::close(fd);
    return Failure(error);
  }
  follow_ = options_.follow_symlinks;
  const size_t length = name_.size();
  while (true) {
    errno = 0;
    const dirent* member = ::readdir(directory.get());
    if (member == nullptr) return errno == 0 ? absl::OkStatus() : Failure(errno);
    if (IsOwnEntry(member->d_name)) continue;
    if (length > 0) name_ += '/';
    name_ += member->d_name;
    RETURN_IF_ERROR(SendMember(fd, member->d_name, member->d_type));
    name_.resize(length);
  }
}

absl::Status TreeSource::SendSymlink(int directory, const char* name, const struct stat& status) {
  Entry entry = EntryOf(status);
  entry.target.resize(PATH_MAX);
  const ssize_t length = ::readlinkat(directory, name, entry.target.data(), entry.target.size());
  if (length < 0) return errno == ENOENT ? absl::OkStatus() : Failure(errno);
  entry.target.resize(static_cast<size_t>(length));
  return SendHeader(entry);
}

// Of the entry `name_`.
absl::Status TreeSource::SendHeader(const Entry& entry) {
  Entry named = entry;
  named.name = entry.kind == EntryKind::kDirectory ? name_ + '/' : name_;
  std::string header;
  AppendTarHeader(named, Storage::kPlain, 0, header);
  ++summary_.files;
  return out_.Write(header);
}

bool TreeSource::IsAncestor(const struct stat& status) const {
  const std::pair identity(status.st_dev, status.st_ino);
  return std::find(ancestors_.begin(), ancestors_.end(), identity) != ancestors_.end();
}

absl::Status TreeSource::Failure(int error) const {
  std::string path = path_;
  if (options_.contents && !name_.empty()) path += '/';
  return ErrnoStatus(error, path + name_.substr(prefix_));
}

}  // namespace ember::tree
