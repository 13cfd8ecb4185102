#include "backends/storage/volume_store.h"

#include <unistd.h>

#include <cerrno>

#include "backends/storage/overlay_store.h"
#include "backends/storage/reflink_store.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::storage {

absl::StatusOr<std::unique_ptr<VolumeStore>> ChooseVolumeStore(
    const std::filesystem::path& images_dir, const std::filesystem::path& volumes_dir) {
  ASSIGN_OR_RETURN(const bool reflink, CanReflink(images_dir, volumes_dir));
  if (reflink) return std::make_unique<ReflinkStore>();
  return std::make_unique<OverlayStore>();
}

absl::Status RemoveVolume(const Volume& volume) {
  if (unlink(volume.path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return ErrnoStatus(errno, fmt::format("remove {}", volume.path.native()));
}

}  // namespace ember::storage
