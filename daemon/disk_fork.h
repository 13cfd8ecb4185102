#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "backends/hypervisor/backend.h"
#include "backends/storage/layer_files.h"
#include "backends/storage/volume_store.h"
#include "base/cancellation.h"
#include "base/event_loop.h"
#include "state/disk_layer.h"

// The slow part of forks and snapshots: what happens to files. A disk is *cloned* where it is raw
// and the store's clones stand for themselves; else it is *split*: its file becomes a layer, and it
// goes on as an empty overlay over that, next to the clone (docs/storage.md).
namespace ember::daemon {

struct DiskForkPlan {
  storage::VolumeStore* volumes = nullptr;  // borrowed
  storage::LayerFiles layers;
  std::filesystem::path dir;  // of the VM whose disk it is
  state::DiskRow disk;
  uint64_t disk_bytes = 0;
  std::string new_id;  // UUID: names the layer and the files that may come of this
  // Where the clone goes and its size. Absent: the disk as it is now is to become a layer.
  std::optional<storage::CloneTarget> clone;
  uint64_t clone_bytes = 0;
  // Of a VM that runs: its file systems are frozen while the disk is cloned or split.
  std::shared_ptr<hypervisor::Machine> machine;
  bool paused = false;      // it does not run right now
  EventLoop* io = nullptr;  // borrowed
  std::string vm_name;
};

struct DiskFork {
  // OK: all of it is there. Else nothing is, but for `split` where a machine goes on with its top
  // already.
  absl::Status outcome;
  std::optional<state::DiskRow> clone;
  std::optional<state::DiskSplit> split;  // to be recorded
  bool in_use = false;                    // by the machine: the split can't be taken back
  std::string layer_id;                   // the layer that says what the disk says
  std::optional<absl::Duration> frozen;   // absent: the VM did not run
};

// Whether a disk is split rather than cloned.
bool IsSplit(const storage::VolumeStore& volumes, const state::DiskRow& disk);

// Blocks within `cancellation`, on the runner of the VM whose disk it is.
DiskFork ForkDisk(const DiskForkPlan& plan, const Cancellation& cancellation);

// Takes back the files of a split that was not recorded and is not in use.
void UndoSplit(const DiskForkPlan& plan, const state::DiskSplit& split);

}  // namespace ember::daemon
