#include "daemon/volume_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "backends/images/ext4_geometry.h"
#include "backends/images/list_source.h"
#include "backends/images/rootfs.h"
#include "base/fault_point.h"
#include "base/file.h"
#include "base/size.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace ember::daemon {
namespace {

constexpr uint64_t kMinBlank = kMiB;
constexpr uint64_t kMost = uint64_t{16} << 40;  // of ext4 with blocks of 4 KiB
constexpr std::string_view kSuffix = ".img";

absl::Status MakeBlank(const std::filesystem::path& path, uint64_t size_bytes) {
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file.valid() || ftruncate(file.get(), static_cast<off_t>(size_bytes)) != 0) {
    return ErrnoStatus(errno, path.native());
  }
  return absl::OkStatus();
}

// The writer adds the root folder and lost+found to nothing.
absl::Status MakeExt4(const std::filesystem::path& path, uint64_t size_bytes,
                      const Cancellation& cancellation) {
  static const std::vector<images::ListedEntry> kNothing;
  images::RootfsSource source;
  source.open = []() -> absl::StatusOr<std::unique_ptr<images::EntrySource>> {
    return std::make_unique<images::ListSource>(kNothing);
  };
  source.unpacked_size = 0;
  return images::WriteRootfs(
             source, path, {.size_bytes = size_bytes}, [](const images::Progress&) {}, cancellation)
      .status();
}

absl::Status Sync(const std::filesystem::path& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid() || fsync(file.get()) != 0) return ErrnoStatus(errno, path.native());
  return absl::OkStatus();
}

}  // namespace

std::filesystem::path VolumePath(const std::filesystem::path& state_dir, std::string_view name) {
  return state_dir / "volumes" / fmt::format("{}{}", name, kSuffix);
}

absl::Status CheckVolume(const state::NewVolume& volume) {
  RETURN_IF_ERROR(state::ValidateVolumeName(volume.name));
  const bool ext4 = volume.filesystem == "ext4";
  if (!ext4 && !volume.filesystem.empty()) {
    return WithHint(InvalidArgument("volume '{}': file system '{}' is not known here", volume.name,
                                    volume.filesystem),
                    "use --fs ext4, or --fs none for a blank disk");
  }
  const uint64_t least = ext4 ? images::kExt4MinSize : kMinBlank;
  if (volume.size_bytes < least || volume.size_bytes > kMost) {
    return WithHint(InvalidArgument("volume '{}': a size of {} is not possible", volume.name,
                                    volume.size_bytes == 0 ? "0" : FormatSize(volume.size_bytes)),
                    fmt::format("{} to {}: --size 10G", FormatSize(least), FormatSize(kMost)));
  }
  return absl::OkStatus();
}

absl::Status MakeVolumeFile(const std::filesystem::path& state_dir, const state::NewVolume& volume,
                            const Cancellation& cancellation) {
  RETURN_IF_ERROR(FaultPoint("volume/make-file"));
  RETURN_IF_ERROR(MakeDirectories(state_dir / "volumes", 0700));
  RETURN_IF_ERROR(RemoveVolumeFile(state_dir, volume.name));
  const std::filesystem::path path = VolumePath(state_dir, volume.name);
  absl::Cleanup undo = [&path] { unlink(path.c_str()); };
  RETURN_IF_ERROR(volume.filesystem.empty() ? MakeBlank(path, volume.size_bytes)
                                            : MakeExt4(path, volume.size_bytes, cancellation));
  if (chmod(path.c_str(), 0600) != 0) return ErrnoStatus(errno, path.native());
  RETURN_IF_ERROR(Sync(path));
  RETURN_IF_ERROR(Sync(path.parent_path()));
  std::move(undo).Cancel();
  CrashPoint("volume/file-made");
  return absl::OkStatus();
}

absl::Status RemoveVolumeFile(const std::filesystem::path& state_dir, std::string_view name) {
  const std::filesystem::path path = VolumePath(state_dir, name);
  const bool gone = unlink(path.c_str()) == 0 || errno == ENOENT;
  return gone ? absl::OkStatus() : ErrnoStatus(errno, path.native());
}

std::vector<std::string> ListVolumeFiles(const std::filesystem::path& state_dir) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(state_dir / "volumes", ignored)) {
    if (entry.path().extension() == kSuffix) names.push_back(entry.path().stem());
  }
  return names;
}

}  // namespace ember::daemon
