#include "backends/images/staging_dir.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <system_error>
#include <vector>

#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/subprocess.h"

namespace ember::images {
namespace {

constexpr std::string_view kPrefix = ".staging-";

absl::Status SyncPath(const std::filesystem::path& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid() || fsync(fd.get()) != 0) return ErrnoStatus(errno, path.native());
  return absl::OkStatus();
}

absl::StatusOr<std::filesystem::path> FreshPath(const std::filesystem::path& parent) {
  ASSIGN_OR_RETURN(const std::string uuid, RandomUuid());
  return parent / (std::string(kPrefix) + uuid);
}

// A build without root works with subordinate user ids (subuid(5)), and what an interrupted one
// has left belongs to those: root of a user namespace that maps them may remove it.
void RemoveStaging(const std::filesystem::path& path) {
  if (RemoveTree(path).ok() || geteuid() == 0) return;
  // Nobody is left to tell; what stays is tried again by PrepareStoreDir.
  RunToolForOutput({"unshare", "--map-root-user", "--map-auto", "--", "rm", "-rf",
                    "--one-file-system", path.native()},
                   Cancellation::After(absl::Minutes(1)))
      .IgnoreError();
}

}  // namespace

absl::StatusOr<StagingDir> StagingDir::Create(const std::filesystem::path& parent) {
  ASSIGN_OR_RETURN(std::filesystem::path path, FreshPath(parent));
  RETURN_IF_ERROR(MakeDirectories(path, 0755));
  return StagingDir(std::move(path));
}

StagingDir& StagingDir::operator=(StagingDir&& other) noexcept {
  std::swap(path_, other.path_);
  return *this;
}

StagingDir::~StagingDir() {
  if (!path_.empty()) RemoveStaging(path_);
}

absl::Status StagingDir::Commit(std::string_view name) && {
  RETURN_IF_ERROR(SyncPath(path_));
  const std::filesystem::path target = path_.parent_path() / name;
  // rename(2) replaces a folder only when that is empty; a complete entry never is.
  if (rename(path_.c_str(), target.c_str()) != 0) {
    if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR) {
      return AlreadyExists("'{}' exists", name);
    }
    return ErrnoStatus(errno, target.native());
  }
  path_.clear();
  return SyncPath(target.parent_path());
}

absl::Status PrepareStoreDir(const std::filesystem::path& dir) {
  RETURN_IF_ERROR(MakeDirectories(dir, 0755));
  std::error_code error;
  std::vector<std::filesystem::path> leftovers;
  for (const auto& entry : std::filesystem::directory_iterator(dir, error)) {
    if (entry.path().filename().native().starts_with(kPrefix)) leftovers.push_back(entry.path());
  }
  if (error) return ErrnoStatus(error.value(), dir.native());
  for (const auto& leftover : leftovers) RemoveStaging(leftover);
  return absl::OkStatus();
}

absl::Status RemoveEntry(const std::filesystem::path& parent, std::string_view name) {
  ASSIGN_OR_RETURN(const std::filesystem::path doomed, FreshPath(parent));
  const std::filesystem::path entry = parent / name;
  if (rename(entry.c_str(), doomed.c_str()) != 0) return ErrnoStatus(errno, entry.native());
  return RemoveTree(doomed);
}

absl::Status WriteScratchFile(const std::filesystem::path& path, std::string_view content) {
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd.valid()) return ErrnoStatus(errno, path.native());
  while (!content.empty()) {
    const ssize_t written = write(fd.get(), content.data(), content.size());
    if (written < 0 && errno != EINTR) return ErrnoStatus(errno, path.native());
    if (written > 0) content.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

}  // namespace ember::images
