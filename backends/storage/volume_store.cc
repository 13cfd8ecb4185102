#include "backends/storage/volume_store.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "backends/storage/copy_store.h"
#include "backends/storage/overlay_store.h"
#include "backends/storage/reflink_store.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::storage {

std::string_view VolumeFormatName(VolumeFormat format) {
  return format == VolumeFormat::kRaw ? "raw" : "qcow2";
}

VolumeFormat ParseVolumeFormat(std::string_view word) {
  return word == "qcow2" ? VolumeFormat::kQcow2 : VolumeFormat::kRaw;
}

absl::StatusOr<std::unique_ptr<VolumeStore>> ChooseVolumeStore(
    const std::filesystem::path& images_dir, const std::filesystem::path& volumes_dir,
    StoreChoice choice) {
  ASSIGN_OR_RETURN(const bool reflink, CanReflink(images_dir, volumes_dir));
  if (reflink) return std::make_unique<ReflinkStore>();
  if (choice.formats == DiskFormats::kRawOnly) {
    return std::make_unique<CopyStore>(std::move(choice.on_first_copy));
  }
  return std::make_unique<OverlayStore>();
}

absl::Status RemoveVolume(const Volume& volume) {
  if (unlink(volume.path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return ErrnoStatus(errno, fmt::format("remove {}", volume.path.native()));
}

}  // namespace ember::storage
