#pragma once

#include <cstdint>
#include <filesystem>

#include "absl/status/statusor.h"
#include "backends/images/oci/blob_store.h"
#include "backends/images/oci/oci_image.h"

namespace ember::bench {

// Makes an image of about `bytes` of content in the store: files of this host's /usr, with the
// owners, modes and links that they have there, in four gzip layers, and a fifth that replaces some
// of them and takes others away.
absl::StatusOr<images::OciImage> MakeImage(const images::BlobStore& store,
                                           const std::filesystem::path& scratch, uint64_t bytes);

}  // namespace ember::bench
