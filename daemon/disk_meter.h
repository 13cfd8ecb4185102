#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "base/reply.h"
#include "base/sequence.h"
#include "daemon/vm_view.h"

namespace ember::daemon {

// How much of the host's disk VMs have for themselves, quickly enough for every list of them: where
// the filesystem shares no blocks a stat tells, elsewhere the extents are read, and kept for some
// seconds as long as the file has not changed. Thread-safe: the work is on a sequence of its own,
// because a disk may be slow to answer.
class DiskMeter {
 public:
  DiskMeter() : sequence_("disk-meter") {}

  // Answers with the same views and `used_bytes` filled in where it is known.
  void Measure(std::vector<VmView> vms, Reply<std::vector<VmView>> reply);

 private:
  struct Measured {
    int64_t changed_ns = 0;  // st_ctime
    int64_t blocks = 0;
    absl::Time at;
    std::optional<uint64_t> used_bytes;
  };

  std::optional<uint64_t> UsedBytes(const std::filesystem::path& disk, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(sequence_);

  // By path; those that no list has asked for lately go.
  std::map<std::filesystem::path, Measured> measured_ ABSL_GUARDED_BY(sequence_);
  Sequence sequence_;
};

}  // namespace ember::daemon
