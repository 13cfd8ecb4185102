#pragma once

#include "absl/status/statusor.h"
#include "backends/images/oci/transfer.h"

namespace ember::images {

// FetchImage for a request with a reference.
absl::StatusOr<OciImage> PullImage(const FetchRequest& request, const BlobStore& store,
                                   const ProgressSink& sink, const Cancellation& cancellation);

}  // namespace ember::images
