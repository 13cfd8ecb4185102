#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "backends/images/oci/transfer.h"

namespace ember::images {

// FetchImage for a request with an archive: everything in it is unpacked into the scratch folder,
// checked there, and what the image consists of moved into the store.
absl::StatusOr<OciImage> LoadImage(const FetchRequest& request, const BlobStore& store,
                                   const ProgressSink& sink, const Cancellation& cancellation);

}  // namespace ember::images
