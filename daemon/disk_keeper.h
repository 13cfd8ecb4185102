#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "backends/storage/layer_files.h"
#include "daemon/disk_fork.h"
#include "daemon/disk_turns.h"
#include "daemon/vm_ledger.h"
#include "daemon/vm_table.h"

namespace ember::daemon {

// A disk that lies over more layers is flattened as soon as its VM is off,
inline constexpr uint32_t kDeepestAtRest = 8;
// over more than these also when a start has to wait for it,
inline constexpr uint32_t kDeepestToStart = 32;
// and a VM that runs gets no more than these: each is an open file, and a look-up at a read.
inline constexpr uint32_t kDeepestOfAll = 200;

// What becomes of disks beside the verb that changes them: plans a fork, settles a split, removes
// files and layers that nothing needs any more, keeps chains of layers short, and brings files and
// rows together when the daemon starts. Lives on `host`.
class DiskKeeper {
 public:
  DiskKeeper(VmLedger& ledger, VmTable& vms);

  const storage::LayerFiles& layers() const { return layers_; }

  // What ForkDisk needs to know of a VM that may be forked now; the caller has a turn of it and
  // says where the clone goes. FailedPrecondition with the reason where it can't be forked.
  absl::StatusOr<DiskForkPlan> PlanFor(const Vm& vm) const;

  // A fork or snapshot of a VM was recorded: takes over its record, and where its disk was split
  // gives up the old name of its file, at the latest when it is off.
  void OnForked(const DiskForkPlan& plan, const DiskFork& fork, state::VmRecord record);
  // A split that came of nothing: its files go, or where a machine uses them it is recorded alone.
  void Abandon(const std::string& vm_id, const DiskForkPlan& plan, const DiskFork& fork,
               DiskTurns::Turn turn);

  // Removes a file in the VM's directory that no row names any more, on its runner.
  void RemoveFile(Vm& vm, std::string path);
  // Forgets layers that nothing lies over, and removes their files.
  void DropUnusedLayers();
  // A change of the VM was committed: where it is off, removes the files that its machine needed,
  // and flattens its disk if that lies over too many layers.
  void OnChanged(Vm& vm);
  // No flattening from now on; the one under way stops.
  void Stop();

  // A machine of an earlier daemon was taken over: a switch of its disk that was not recorded is.
  // `done` is called when that is settled.
  void OnAdopted(Vm& vm, std::function<void()> done);
  // After recovery: finishes what was begun with snapshots, removes files that no row names.
  void Sweep();

 private:
  struct Flattening;

  uint32_t DepthOf(const state::DiskRow& disk) const;
  bool IsTooDeep(const Vm& vm) const;
  void Flatten(const std::string& vm_id);
  void OnFlattened(const std::shared_ptr<Flattening>& job, const absl::Status& flattened);
  absl::Status RecordSwitch(Vm& vm, const std::filesystem::path& active);
  absl::Status SweepLayers();
  absl::Status SweepSnapshots();
  absl::Status SweepDirectory(Vm& vm, const std::set<std::string>& known);
  absl::StatusOr<bool> IsLostTop(const Vm& vm, const std::filesystem::path& path) const;
  absl::Status RecordLostTop(Vm& vm);

  VmLedger& ledger_;
  const VmLedger::Context& context_;
  VmTable& vms_;
  const storage::LayerFiles layers_;
  std::set<std::string> unsure_;  // VMs whose machines could not be asked for their disk
  bool stopped_ = false;
  bool flattening_ = false;  // one disk at a time: it is work for idle hours
};

}  // namespace ember::daemon
