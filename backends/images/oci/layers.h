#pragma once

#include "backends/images/oci/blob_store.h"
#include "backends/images/oci/oci_image.h"
#include "backends/images/rootfs.h"

namespace ember::images {

// The layers of an image as one root filesystem, for WriteRootfs: the base first, each layer's
// entries over those below it, with whiteouts (".wh.NAME") and opaque folders (".wh..wh..opq") as
// removals (image-spec v1, layer.md). gzip, zstd and plain archives are told apart by their first
// bytes. Each layer's diff_id is verified while it is read: reading ends with DataLoss, naming the
// layer, when the bytes are others, and with InvalidArgument when they are no sound archive. The
// filesystem's UUID is derived from the diff_ids: the same layers make the same bytes.
// The blobs must stay while the result is used.
RootfsSource LayersRootfs(const BlobStore& store, const OciImage& image);

}  // namespace ember::images
