#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "backends/hypervisor/backend.h"
#include "backends/storage/volume_store.h"
#include "base/cancellation.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "base/reply.h"
#include "base/sequence.h"
#include "daemon/vm_paths.h"
#include "state/volume.h"

namespace ember::daemon {

// What a new VM's disk is made from; a machine without a disk (local backend) has no source.
struct DiskPlan {
  std::filesystem::path source;  // raw ext4 of the image; empty: no disk
  uint64_t size_bytes = 0;
  std::vector<state::NewVolume> volumes = {};  // that are made with the VM
};

struct StopPlan {
  bool force = false;                        // kill at once
  bool frozen = false;                       // paused: thawed first, else it can't obey
  absl::Duration grace = absl::Seconds(20);  // from the first request to the kill
  std::stop_token hurry = {};                // turns the grace into a kill at once
  // What asks the guest's main process to end, before the guest itself is asked.
  std::optional<uint32_t> main_signal = std::nullopt;
};

// Does the slow work of one VM: its operations run in order on a thread that it has only while
// there is work, different VMs at the same time. Holds nothing shared and decides nothing: every
// call answers exactly once, on the runner's thread, and the host settles what it means. The
// destructor waits for the work under way.
class VmRunner {
 public:
  struct Context {
    EventLoop& io;
    Log log;
    storage::VolumeStore& volumes;
    std::filesystem::path state_dir;
  };

  VmRunner(Context context, std::string vm_name, VmPaths paths);

  // Makes the VM's directory and its disk, and new volumes. After an error none is left.
  void Prepare(DiskPlan plan, Cancellation cancellation,
               Reply<std::optional<storage::Volume>> reply);

  // Starts a machine; empties the console first. After an error no process or socket of it is left.
  void Launch(hypervisor::Backend& backend, hypervisor::MachineSpec spec, Cancellation cancellation,
              Reply<std::shared_ptr<hypervisor::Machine>> reply);

  // Takes hold of a machine of an earlier daemon.
  void Adopt(hypervisor::Backend& backend, hypervisor::MachineHandle handle,
             Cancellation cancellation, Reply<std::shared_ptr<hypervisor::Machine>> reply);

  // Ends what a launch that was cut off has left.
  void Reap(hypervisor::Backend& backend, hypervisor::MachineHandle handle,
            Cancellation cancellation, Reply<Done> reply);

  // The main process's end, where it has one; agent shutdown, then the power button, then the kill,
  // each with its share of the grace. When it answers OK no process or socket of the machine is
  // left.
  void Stop(std::shared_ptr<hypervisor::Machine> machine, StopPlan plan,
            Reply<hypervisor::ExitReport> reply);

  // Freezes or thaws the machine.
  enum class Motion { kPause, kResume };
  void Move(std::shared_ptr<hypervisor::Machine> machine, Motion motion, Reply<Done> reply);

  // Moves the VM's directory to the place of another name. Done already is OK; a directory that is
  // in the way and not ours is AlreadyExists. After it this runner is of no more use.
  void MoveTo(VmPaths paths, Reply<Done> reply);

  // Removes the VM's directory with all that is in it, and the files of `volumes`.
  void Remove(std::vector<std::string> volumes, Reply<Done> reply);

  // Any other slow work of this VM, in its order.
  template <typename T>
  void Work(std::function<absl::StatusOr<T>()> work, Reply<T> reply) {
    sequence_.Post([work = std::move(work), reply = std::move(reply)]() mutable { reply(work()); });
  }

  // Keeps the console bounded from now on while `machine` lives; call once per machine.
  void KeepConsoleBounded(std::weak_ptr<hypervisor::Machine> machine);

 private:
  absl::StatusOr<std::optional<storage::Volume>> MakeDisk(const DiskPlan& plan,
                                                          const Cancellation& cancellation);
  absl::StatusOr<std::optional<storage::Volume>> FillDirectory(const DiskPlan& plan,
                                                               const Cancellation& cancellation);
  absl::Status RemoveFiles(const std::vector<std::string>& volumes);
  absl::StatusOr<hypervisor::ExitReport> StopNow(
      const std::shared_ptr<hypervisor::Machine>& machine, const StopPlan& plan);
  void AskToPowerOff(const std::shared_ptr<hypervisor::Machine>& machine, const StopPlan& plan);

  const Context context_;
  const std::string vm_name_;
  const VmPaths paths_;
  Sequence sequence_;
};

}  // namespace ember::daemon
