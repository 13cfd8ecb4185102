#include "backends/storage/overlay_store.h"

#include "backends/storage/clone_request.h"
#include "backends/storage/qcow2_overlay.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::storage {

absl::StatusOr<Volume> OverlayStore::Clone(const std::filesystem::path& source,
                                           const CloneTarget& target, uint64_t size_bytes,
                                           const Cancellation& cancellation) {
  RETURN_IF_ERROR(cancellation.Check("clone of " + source.native()));
  RETURN_IF_ERROR(CheckCloneRequest(source, size_bytes));
  return CreateOverlay(source, VolumeFormat::kRaw, target, size_bytes);
}

}  // namespace ember::storage
