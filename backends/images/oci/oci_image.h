#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "backends/images/image_config.h"
#include "backends/images/oci/blob_store.h"

namespace ember::images {

// One layer: what it adds to, changes in and removes from the layers below it, as a tar archive.
struct OciLayer {
  std::string digest;  // of the blob, as it lies in the store
  std::string media_type;
  uint64_t size_bytes = 0;  // of the blob
  std::string diff_id;      // digest of the unpacked archive

  friend bool operator==(const OciLayer&, const OciLayer&) = default;
};

// An image all of whose documents have been read and checked against each other. A value.
struct OciImage {
  std::string manifest_digest;  // of the manifest for this host's architecture
  std::string config_digest;
  ImageConfig config;
  std::vector<OciLayer> layers;  // the base first

  friend bool operator==(const OciImage&, const OciImage&) = default;
};

// Reads the image whose manifest, or index of manifests, has this digest: from an index the one for
// this host's architecture is taken. What is verified: digests of the documents, media types, that
// each layer is there with the size that the manifest says and has a diff_id, and that the image is
// for Linux on this architecture. (What is in a layer is verified while it is unpacked: layers.h.)
// NotFound for a blob that is missing, InvalidArgument for a document that is wrong,
// FailedPrecondition for an image of another architecture.
absl::StatusOr<OciImage> ReadOciImage(const BlobStore& store, std::string_view manifest_digest);

}  // namespace ember::images
