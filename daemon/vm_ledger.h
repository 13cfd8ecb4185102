#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "backends/hypervisor/backend.h"
#include "backends/storage/volume_store.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "base/reply.h"
#include "base/sequence.h"
#include "daemon/catalog.h"
#include "daemon/disk_turns.h"
#include "daemon/event_feed.h"
#include "daemon/vm_table.h"
#include "daemon/vm_view.h"
#include "daemon/waiters.h"
#include "state/lifecycle.h"
#include "state/store.h"

namespace ember::daemon {

using BackendMap = std::map<std::string, std::unique_ptr<hypervisor::Backend>, std::less<>>;

// The rows of VMs and what follows from a change of one: the VM in the table, those who read
// events, those who wait. Also the two ways in which outcomes come back to `host` and are not
// forgotten (Back and Settle). Lives on `host`; VmLifecycle, MachineSupervisor, VmCreator and
// Recovery share one.
class VmLedger {
 public:
  struct Context {
    std::filesystem::path state_dir;
    Sequence& host;
    state::Store& store;
    BackendMap& backends;
    storage::VolumeStore& volumes;
    Catalog& catalog;
    EventLoop& io;
    Log log;
    std::string host_boot_id;
    // A machine whose console and agent are silent for so long is started anew, once.
    absl::Duration boot_sign_limit = absl::Seconds(40);
  };

  // `changed` is called after every change of a VM that was committed, and when it has another
  // machine; it changes no VM, but may post.
  VmLedger(Context context, VmTable& vms, EventFeed& feed, Waiters& waiters,
           std::function<void(Vm&)> changed);

  // Adds a VM of the store to the table.
  Vm& Track(state::VmRecord record);
  // Gives the VM the paths and the runner of its directory; nothing of the old one is in use.
  void House(Vm& vm) const;

  // The row of a machine that is about to be launched.
  absl::StatusOr<state::MachineRow> NewIntent(const Vm& vm) const;

  VmView ViewOf(const Vm& vm) const;
  absl::StatusOr<hypervisor::Backend*> FindBackend(std::string_view name) const;
  hypervisor::MachineHandle HandleOf(const Vm& vm) const;
  const Context& context() const { return context_; }
  DiskTurns& disk_turns() { return disk_turns_; }

  // Commits a change of state, with `follow_up` where one is given; the record, the event readers
  // and those who wait follow. The error is the store's or the table's, and then nothing changed.
  absl::Status Commit(Vm& vm, state::VmEvent event, std::string message,
                      std::optional<state::FollowUp> follow_up = std::nullopt);

  // Drops the machine row together with a change of state, and records what the VM's policies make
  // of it (follow_up_rule.h). Used once its processes are gone.
  absl::Status CommitMachineGone(Vm& vm, state::VmEvent event, std::string message);

  // Commits another follow-up for a VM that keeps its state; `kind` and `message` are the event's.
  absl::Status CommitFollowUp(Vm& vm, state::FollowUp follow_up, std::string kind,
                              std::string message);

  // Drops the machine row of a VM that keeps its state (failed). Used once its processes are gone.
  absl::Status ForgetMachine(Vm& vm);

  // Runs `attempt` until it succeeds, once a second: for outcomes that must not be forgotten
  // because the disk is full for a while.
  void Settle(std::string what, std::function<absl::Status()> attempt);

  // Turns an outcome of a runner into a task on `host`; `settle` gets the VM if it is still there.
  template <typename T>
  Reply<T> Back(const Vm& vm, std::function<void(Vm&, absl::StatusOr<T>)> settle) {
    return Reply<T>(
        [this, id = vm.record.id, settle = std::move(settle)](absl::StatusOr<T> result) mutable {
          context_.host.Post([this, id = std::move(id), settle = std::move(settle),
                              result = std::move(result)]() mutable {
            if (Vm* vm = vms_.FindById(id); vm != nullptr) settle(*vm, std::move(result));
          });
        });
  }

  // Takes over a record that was committed: the event readers and those who wait follow.
  void Changed(Vm& vm, state::VmRecord record);

  // The VM has another machine than before, and the same record.
  void MachineChanged(Vm& vm) { changed_(vm); }

  // The VM if this is its machine; else null.
  Vm* FindMachine(const std::string& vm_id, const std::string& machine_id);

 private:
  const Context context_;
  VmTable& vms_;
  EventFeed& feed_;
  Waiters& waiters_;
  const std::function<void(Vm&)> changed_;
  DiskTurns disk_turns_;
};

}  // namespace ember::daemon
