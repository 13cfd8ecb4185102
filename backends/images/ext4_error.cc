#include "backends/images/ext4_error.h"

#include <et/com_err.h>
#include <ext2fs/ext2fs.h>

#include <cerrno>

#include "base/status.h"

namespace ember::images {
namespace {

constexpr char kFullReason[] = "FILESYSTEM_FULL";

// The table of texts is looked up directly: registering it with com_err would change a global list.
std::string_view TextOf(long error) {
  switch (error) {
    case EXT2_ET_EA_NO_SPACE:
      return "extended attributes do not fit";
    case EXT2_ET_TOO_MANY_INODES:
      return "too many inodes for its size";
    case EXT2_ET_TOOSMALL:
      return "too small for an ext4 filesystem";
    case EXT2_ET_NO_MEMORY:
      return "out of memory";
    default:
      return "";
  }
}

}  // namespace

absl::Status FilesystemFull(const std::filesystem::path& path) {
  return WithReason(ResourceExhausted("{}: the filesystem is full", path.native()), kFullReason);
}

bool IsFilesystemFull(const absl::Status& status) { return ReasonOf(status) == kFullReason; }

absl::Status Ext4Status(long error, const std::filesystem::path& path, std::string_view what) {
  if (error == 0) return absl::OkStatus();
  const std::string subject = fmt::format("{}: {}", path.native(), what);
  if (error == EXT2_ET_BLOCK_ALLOC_FAIL || error == EXT2_ET_INODE_ALLOC_FAIL) {
    return FilesystemFull(path);
  }
  // RLIMIT_FSIZE and a filesystem's own limit are a kind of full, too.
  if (error == EFBIG) return ResourceExhausted("{}: file too large", subject);
  if (error < 256) return ErrnoStatus(static_cast<int>(error), subject);
  if (const std::string_view text = TextOf(error); !text.empty()) {
    return InvalidArgument("{}: {}", subject, text);
  }
  return Internal("{}: ext2fs error {}", subject, error);
}

}  // namespace ember::images
