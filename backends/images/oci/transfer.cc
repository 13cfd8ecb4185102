#include "backends/images/oci/transfer.h"

#include "backends/images/oci/archive_load.h"
#include "backends/images/oci/registry_pull.h"

namespace ember::images {

absl::StatusOr<OciImage> FetchImage(const FetchRequest& request, const BlobStore& store,
                                    const ProgressSink& sink, const Cancellation& cancellation) {
  if (request.reference.has_value()) return PullImage(request, store, sink, cancellation);
  return LoadImage(request, store, sink, cancellation);
}

}  // namespace ember::images
