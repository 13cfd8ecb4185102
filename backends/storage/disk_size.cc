#include "backends/storage/disk_size.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>

#include "backends/storage/qcow2_overlay.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/subprocess.h"
#include "base/unique_fd.h"

namespace ember::storage {
namespace {

absl::Status GrowRaw(const std::filesystem::path& path, uint64_t size_bytes) {
  const UniqueFd file(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!file.valid() || ftruncate(file.get(), static_cast<off_t>(size_bytes)) != 0 ||
      fsync(file.get()) != 0) {
    return ErrnoStatus(errno, fmt::format("grow {}", path.native()));
  }
  return absl::OkStatus();
}

// A larger file may need another table in another place: that is left to QEMU.
absl::Status GrowQcow2(const std::filesystem::path& path, uint64_t size_bytes,
                       const Cancellation& cancellation) {
  const std::optional<std::filesystem::path> program = FindProgram("qemu-img");
  if (!program.has_value()) {
    return WithHint(NotFound("qemu-img is not installed; it grows the disks of VMs"),
                    "apt install qemu-utils");
  }
  ToolOptions options;
  options.argv = {program->native(), "resize", "-q",          "-f",
                  "qcow2",           "--",     path.native(), fmt::to_string(size_bytes)};
  ASSIGN_OR_RETURN(const ToolResult result, RunTool(options, cancellation));
  if (result.exit.code == 0) return absl::OkStatus();
  std::string_view words = result.err;
  while (words.ends_with('\n')) words.remove_suffix(1);
  const bool full = words.find("No space left") != std::string_view::npos;
  return MakeStatus(full ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kInternal,
                    "grow {}: {}", path.native(), words);
}

}  // namespace

absl::StatusOr<uint64_t> DiskSize(const std::filesystem::path& path, VolumeFormat format) {
  if (format == VolumeFormat::kQcow2) {
    ASSIGN_OR_RETURN(const Qcow2Header header, ReadQcow2Header(path));
    return header.size_bytes;
  }
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return ErrnoStatus(errno, path.native());
  return static_cast<uint64_t>(status.st_size);
}

absl::Status GrowDiskFile(const std::filesystem::path& path, VolumeFormat format,
                          uint64_t size_bytes, const Cancellation& cancellation) {
  ASSIGN_OR_RETURN(const uint64_t now, DiskSize(path, format));
  if (now >= size_bytes) return absl::OkStatus();
  return format == VolumeFormat::kRaw ? GrowRaw(path, size_bytes)
                                      : GrowQcow2(path, size_bytes, cancellation);
}

}  // namespace ember::storage
