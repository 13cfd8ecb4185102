#include "daemon/storage_report.h"

#include <utility>

#include "base/status_macros.h"

namespace ember::daemon {

absl::StatusOr<StorageReport> MeasureStorage(const std::filesystem::path& state_dir,
                                             std::vector<StorageItem> items,
                                             const Cancellation& cancellation) {
  StorageReport report;
  report.path = state_dir;
  for (StorageItem& item : items) {
    RETURN_IF_ERROR(cancellation.Check("storage usage"));
    item.usage = storage::MeasureFiles(item.files, storage::Freshness::kSynced);
  }
  report.items = std::move(items);
  if (auto pool = storage::MeasurePool(state_dir); pool.ok()) report.pool = *std::move(pool);
  return report;
}

}  // namespace ember::daemon
