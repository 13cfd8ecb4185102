#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/reply.h"
#include "base/sequence.h"
#include "daemon/vm_ledger.h"
#include "state/volume.h"

namespace ember::daemon {

// Data volumes: disks that no VM takes with it. Row first, file then, as with VMs: no file is there
// that a row does not explain. Those that the create of a VM makes are the creator's until it is
// done. Lives on `host`.
class Volumes {
 public:
  // Whoever owns it lets go of it on `host` (Shutdown) before that ends.
  Volumes(VmLedger& ledger, VmTable& vms) : ledger_(ledger), vms_(vms) {}

  // Makes a volume. InvalidArgument for a name, a size or a file system that can't be;
  // AlreadyExists (reason VOLUME_EXISTS).
  void Create(const state::NewVolume& wanted, Reply<state::DataVolume> reply);

  // NotFound (reason VOLUME_NOT_FOUND); FailedPrecondition (reason VOLUME_IN_USE) with the VM that
  // it is attached to.
  void Remove(const std::string& name, Reply<Done> reply);

  // What a daemon that was killed has left half done, once all VMs are in the table: volumes that
  // nobody waits for any more go, those of a VM that is there stay. Then files without a row go.
  void Recover();

  // Ends the work under way; what it posts to `host` finds nobody any more.
  void Shutdown() { files_.Shutdown(); }

 private:
  void OnMade(const std::string& name, const absl::Status& made, Reply<state::DataVolume> reply);
  // Removes file and row of a volume in state creating or deleting, which nobody has.
  void Clear(const std::string& name, std::function<void(absl::Status)> cleared);
  void RecoverOne(const state::DataVolume& volume);
  void RemoveLeftovers(const std::vector<state::DataVolume>& volumes);

  VmLedger& ledger_;
  VmTable& vms_;
  Sequence files_{"volumes", SequenceThread::kBorrowed};  // what waits for the disk
};

// The volumes of a new VM: at most 8, each once, with names and paths that can be; those that are
// made have a size that can be. InvalidArgument.
absl::Status CheckAttachments(std::string_view vm_name,
                              const std::vector<state::VolumeAttachment>& volumes);

// What the guest's init is told of a volume: "ember.mount=data:/srv:ro". Empty without a path.
std::string MountArgument(const state::VolumeAttachment& volume);

}  // namespace ember::daemon
