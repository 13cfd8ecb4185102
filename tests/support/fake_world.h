#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "backends/hypervisor/backend.h"
#include "base/awaited.h"
#include "base/event_loop.h"
#include "tests/support/fake_agent.h"
#include "tests/support/turnstile.h"

namespace ember::testing {

// How the next machines behave.
struct GuestPlan {
  AgentMode agent = AgentMode::kServe;
  std::string console = "booting\n";  // written to console.log at launch
  bool obeys_agent = true;            // powers off when its agent is told to
  bool obeys_power_button = true;
  bool has_process = true;  // else its recorded process is gone, and nobody has said so
  int refused_dials = 0;    // so many dials meet nobody first
  absl::Status kill_error;  // what Stop(kKill) answers, while it is not OK
};

// A machine that "runs": what the fake hypervisor's process would be. Touched on the world's loop.
struct FakeGuest {
  hypervisor::MachineHandle handle;
  GuestPlan plan;
  std::shared_ptr<FakeAgent::Guest> agent = std::make_shared<FakeAgent::Guest>();
  std::vector<std::function<void()>> hang_up;  // ends each connection into it
  std::vector<hypervisor::DiskSpec> disks;     // that it writes to now
  std::optional<hypervisor::ExitReport> end;
  UniqueFd ended{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};  // readable for ever once it has ended
  std::map<const void*, std::function<void(hypervisor::ExitReport)>> watchers;
};

// The host that fake backends launch machines on: it outlives daemons, so that a second one can
// adopt what a first one has left. All calls are thread-safe; they run on the world's own loop.
class FakeWorld {
 public:
  FakeWorld();
  ~FakeWorld();

  // --- For tests. ---
  void Plan(GuestPlan plan);
  // Changes the behaviour of the running machine of a VM.
  void Change(std::string_view vm, std::function<void(GuestPlan&)> change);
  // Ends the machine of a VM as if the guest or its hypervisor had ended by itself.
  void End(std::string_view vm, int exit_code, std::string last_words = "");
  // Does what a guest does when its agent is up: dials the ready port.
  void Announce(std::string_view vm);
  // Names of the VMs whose machine runs.
  std::set<std::string> Running();
  // Of the latest machine of the VM.
  std::shared_ptr<FakeAgent::Guest> AgentOf(std::string_view vm);
  std::optional<hypervisor::MachineSpec> LastSpec();
  // The root disk of the VM's machine, and the same led elsewhere behind the daemon's back.
  std::filesystem::path ActiveDiskOf(std::string_view vm);
  void SwitchDiskOf(std::string_view vm, const std::filesystem::path& overlay);
  // Runs a machine that no daemon launched, with this id.
  void Haunt(const hypervisor::MachineHandle& handle);

  Turnstile launch_gate;  // every launch passes it before its machine runs
  Turnstile kill_gate;    // every kill passes it before it works
  std::atomic<int> launches{0};
  std::atomic<int> polite_stops{0};
  std::atomic<int> kills{0};
  std::atomic<int> reaps{0};
  std::atomic<int> adoptions{0};
  void FailLaunch(absl::Status error);
  void FailAdopt(absl::Status error);  // until it is set to OK
  void FailReap(absl::Status error);   // until it is set to OK
  void FailDisks(absl::Status error);  // every change of a running machine's; until it is set to OK

  // --- For the fake backend. ---
  absl::StatusOr<std::shared_ptr<FakeGuest>> Launch(const hypervisor::MachineSpec& spec,
                                                    const Cancellation& cancellation);
  absl::StatusOr<std::shared_ptr<FakeGuest>> Adopt(const hypervisor::MachineHandle& handle);
  absl::Status Reap(const std::string& machine_id);
  void Dial(std::shared_ptr<FakeGuest> guest, uint32_t port, EventLoop& io, Reply<UniqueFd> reply);
  absl::Status Stop(const std::shared_ptr<FakeGuest>& guest, hypervisor::PowerOff how,
                    const Cancellation& cancellation);
  void Watch(const std::shared_ptr<FakeGuest>& guest, const void* watcher, EventLoop& io,
             std::function<void(hypervisor::ExitReport)> ended);
  void Unwatch(const std::shared_ptr<FakeGuest>& guest, const void* watcher);
  absl::Status SwitchDisk(const std::shared_ptr<FakeGuest>& guest,
                          const hypervisor::DiskSpec& overlay);
  absl::StatusOr<std::filesystem::path> ActiveDisk(const std::shared_ptr<FakeGuest>& guest);
  // The file of a raw disk grows; of another format only the guest's view would.
  absl::Status ResizeDisk(const std::shared_ptr<FakeGuest>& guest, size_t position, uint64_t bytes);
  std::optional<hypervisor::ExitReport> EndOf(const std::shared_ptr<FakeGuest>& guest);

  // Waits until everything that was asked before has been done.
  void Settle() {
    On([] {});
  }

 private:
  void On(std::function<void()> work);
  std::shared_ptr<FakeGuest> Find(std::string_view vm);
  static void EndNow(FakeGuest& guest, hypervisor::ExitReport report);
  absl::StatusOr<UniqueFd> Connect(const std::shared_ptr<FakeGuest>& guest, uint32_t port);

  std::unique_ptr<EventLoop> loop_;
  // Of the world's loop.
  GuestPlan plan_;
  std::vector<std::shared_ptr<FakeGuest>> guests_;
  std::optional<hypervisor::MachineSpec> last_spec_;
  absl::Status launch_error_;
  absl::Status adopt_error_;
  absl::Status reap_error_;
  absl::Status disk_error_;
};

}  // namespace ember::testing
