#include "daemon/storage_pruner.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "backends/storage/usage.h"
#include "base/fault_point.h"
#include "base/status_macros.h"
#include "daemon/leftovers.h"

namespace ember::daemon {
namespace {

uint64_t BytesBelow(const std::filesystem::path& folder) {
  storage::FileSet files;
  std::error_code error;
  std::filesystem::recursive_directory_iterator walk(folder, error);
  for (; !error && walk != std::filesystem::recursive_directory_iterator(); walk.increment(error)) {
    if (!walk->is_symlink(error) && walk->is_regular_file(error)) files.own.push_back(walk->path());
  }
  return storage::MeasureFiles(files, storage::Freshness::kAsItIs).exclusive_bytes.value_or(0);
}

absl::StatusOr<std::vector<PrunedItem>> RemoveAll(const std::filesystem::path& vms_dir,
                                                  const std::vector<std::filesystem::path>& left,
                                                  PruneMode mode) {
  std::vector<PrunedItem> removed;
  for (const std::filesystem::path& dir : left) {
    PrunedItem item{"leftover", dir.native(), BytesBelow(dir)};
    if (mode == PruneMode::kRemove) {
      RETURN_IF_ERROR(FaultPoint("prune/remove"));
      RETURN_IF_ERROR(RemoveLeftDirectory(vms_dir, dir));
      CrashPoint("prune/removed");
    }
    removed.push_back(std::move(item));
  }
  return removed;
}

}  // namespace

void StoragePruner::Run(PruneMode mode, Reply<std::vector<PrunedItem>> reply) {
  check_.Run(
      HostCheck::Depth::kAll,
      Reply<std::vector<Anomaly>>([this, mode, reply = std::move(reply)](auto found) mutable {
        if (!found.ok()) return reply(found.status());
        std::vector<std::filesystem::path> left;
        for (const Anomaly& anomaly : *found) {
          if (anomaly.kind == kDirectoryUnknown) left.emplace_back(anomaly.subject);
        }
        const VmLedger::Context& context = ledger_.context();
        context.catalog.RunApart(
            "storage-prune",
            [vms_dir = context.state_dir / "vms", left = std::move(left), mode,
             reply = std::move(reply)]() mutable { reply(RemoveAll(vms_dir, left, mode)); });
      }));
}

}  // namespace ember::daemon
