#include "daemon/disk_meter.h"

#include <sys/stat.h>

#include <utility>

#include "backends/storage/usage.h"

namespace ember::daemon {
namespace {

// A clone of a file changes what that file has for itself, and nothing about the file tells: a
// number is not older than this.
constexpr absl::Duration kKept = absl::Seconds(10);

}  // namespace

void DiskMeter::Measure(std::vector<VmView> vms, Reply<std::vector<VmView>> reply) {
  sequence_.Post([this, vms = std::move(vms), reply = std::move(reply)]() mutable {
    sequence_.AssertCurrent();
    const absl::Time now = absl::Now();
    std::erase_if(measured_, [now](const auto& entry) { return now - entry.second.at > kKept; });
    for (VmView& vm : vms) {
      if (!vm.record.disk.path.empty()) vm.used_bytes = UsedBytes(vm.record.disk.path, now);
    }
    reply(std::move(vms));
  });
}

std::optional<uint64_t> DiskMeter::UsedBytes(const std::filesystem::path& disk, absl::Time now) {
  struct stat about;
  if (stat(disk.c_str(), &about) != 0) return std::nullopt;
  const int64_t changed_ns = int64_t{about.st_ctim.tv_sec} * 1'000'000'000 + about.st_ctim.tv_nsec;
  const auto known = measured_.find(disk);
  if (known != measured_.end() && known->second.changed_ns == changed_ns &&
      known->second.blocks == about.st_blocks) {
    return known->second.used_bytes;
  }
  const auto used = storage::QuickExclusiveBytes(disk);
  measured_[disk] = {changed_ns, about.st_blocks, now, used};
  return used;
}

}  // namespace ember::daemon
