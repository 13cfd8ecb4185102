#pragma once

#include <filesystem>

#include "absl/status/status.h"
#include "backends/images/image_index.h"

// Images of state directories that Ember made before images were kept by their content:
//   <dir>/<name>/{rootfs.ext4,image.json}
namespace ember::images {

// Brings them over: each gets a record and its name, and its file a link under its digest. The old
// path of the file stays as a second link, since disks of VMs (qcow2 overlays) name it. What was
// interrupted is done again; a damaged image is left as it is. Call once, before any other use.
absl::Status AdoptLegacyImages(ImageIndex& index);

// DataLoss, naming the file, when there is an image of the old kind that could not be brought over;
// else OK.
absl::Status CheckLegacyImage(const ImageIndex& index, std::string_view name);

// Removes the old paths of this root filesystem, which is about to go: no disk needs it any more.
absl::Status RemoveLegacyLinks(const ImageIndex& index, const std::filesystem::path& rootfs);

}  // namespace ember::images
