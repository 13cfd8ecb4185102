#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "state/vm_record.h"

// Layers: files that nobody writes and that several disks lie over. Plain values.
namespace ember::state {

struct DiskLayer {
  std::string id;           // UUID
  std::string format;       // "raw", "qcow2"
  std::string base_id;      // the layer that it lies over; empty: over an image, or over nothing
  uint32_t depth = 1;       // layers under it, itself counted
  uint64_t size_bytes = 0;  // as a guest sees it
  absl::Time created_at = absl::UnixEpoch();  // set by the store; microseconds, UTC

  friend bool operator==(const DiskLayer&, const DiskLayer&) = default;
};

// What a split has made of a VM's disk: its file has become a layer, and the VM goes on with an
// empty overlay over it.
struct DiskSplit {
  std::string layer_id;
  DiskRow top;  // lies over the layer: its layer_id is the same
};

// What a fork has made or changed.
struct ForkRecords {
  VmRecord vm;
  VmRecord source;
};

}  // namespace ember::state
