#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/hypervisor/backend.h"
#include "daemon/agent_watch.h"
#include "daemon/vm_paths.h"
#include "daemon/vm_runner.h"
#include "daemon/vm_view.h"
#include "daemon/vsock_bridge.h"
#include "state/vm_record.h"

namespace ember::daemon {

// A VM as the host holds it: the row as it was last committed, and what exists only while the
// daemon runs. Lives on `host`.
struct Vm {
  state::VmRecord record;
  VmPaths paths;
  std::unique_ptr<VmRunner> runner;

  // While a machine runs. Shared with sessions, the bridge and the runner, which may be in the
  // middle of a call when the host lets go.
  std::shared_ptr<hypervisor::Machine> machine;
  std::unique_ptr<AgentWatch> watch;
  std::unique_ptr<VsockBridge> bridge;
  AgentState agent = AgentState::kNone;
  // Turns a polite stop under way into a kill.
  std::stop_source hurry;
  // The watchdog is replacing the machine: its end is expected.
  bool rebooting = false;
  // The guest of this machine has been asked to run what its image is there for.
  bool main_asked = false;
  // How the machine ended by itself, until that is settled.
  std::optional<hypervisor::ExitReport> ended;

  // Autopilot's: when the VM is to be started again, how many short runs came before, and which of
  // the starts that were planned is still wanted.
  std::optional<absl::Time> next_start_at;
  uint32_t short_runs = 0;
  uint64_t start_plan = 0;
  // Those who asked for a restart and hear how its start went.
  std::vector<std::function<void(absl::Status)>> restarts;

  // Somebody has a turn of its disk (disk_turns.h).
  bool disk_taken = false;
  // The layer under a disk that could not be flattened: it is not tried again over the same.
  std::string stuck_layer;
  // Names of disk files that were given up while its machine ran, which may open them again by
  // name; they go once it is off.
  std::vector<std::string> retired_disks;

  // The directory still has the old name: its files are on their way.
  bool renaming() const { return record.dir_name != record.name; }

  // Drops the machine, its watch and its bridge; what they do on `io` ends soon after.
  void LetGo();
};

// All VMs, by name and by id. Pointers stay valid until Erase. Lives on `host`.
class VmTable {
 public:
  // Adds a VM whose name and id are new.
  Vm& Add(std::unique_ptr<Vm> vm);
  // NotFound (reason VM_NOT_FOUND) with a hint how to list and create.
  absl::StatusOr<Vm*> Find(std::string_view name);
  // Null when it is gone.
  Vm* FindById(std::string_view id);
  // Takes over a record with another name, which is free.
  void Rename(Vm& vm, state::VmRecord record);
  // Waits for the runner's last task.
  void Erase(std::string_view id);
  void Clear();

  // `visit` must not add or erase.
  void ForEach(const std::function<void(Vm&)>& visit);
  size_t size() const { return by_name_.size(); }

 private:
  std::map<std::string, std::unique_ptr<Vm>, std::less<>> by_name_;
  std::map<std::string, Vm*, std::less<>> by_id_;
};

}  // namespace ember::daemon
