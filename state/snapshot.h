#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "state/vm_record.h"

// A VM's disk as it was. Plain values.
namespace ember::state {

enum class SnapshotState {
  kCreating,  // set by create, before anything is made; next: ready, or it goes
  kReady,     // set when its content is there; next: deleting
  kDeleting,  // set by delete before anything is removed; next: the row goes
};

// "creating", "ready", "deleting".
std::string_view SnapshotStateName(SnapshotState state);
std::optional<SnapshotState> ParseSnapshotState(std::string_view word);

struct Snapshot {
  std::string id;  // UUID; set by the store
  std::string vm_id;
  std::string name;  // as a VM's (vm_name.h); unique in its VM
  SnapshotState state = SnapshotState::kCreating;
  std::string format;                         // "raw", "qcow2"
  std::string file_name;                      // in the VM's directory; empty: it is a layer
  std::string layer_id;                       // empty: it is a file
  uint64_t disk_bytes = 0;                    // size of the disk then
  absl::Time created_at = absl::UnixEpoch();  // set by the store; microseconds, UTC

  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

// Where the content of a snapshot is: one of the two.
struct SnapshotContent {
  std::string file_name;
  std::string layer_id;
};

struct SnapshotRecords {
  Snapshot snapshot;
  VmRecord vm;
};

}  // namespace ember::state
