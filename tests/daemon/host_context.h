#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backends/images/image_store.h"
#include "backends/images/kernel_store.h"
#include "base/awaited.h"
#include "daemon/host.h"
#include "tests/support/fake_world.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember::daemon {

// Makes disks as a volume store does, past a gate and with failures that a test asks for.
struct FakeDisks {
  testing::Turnstile gate;
  std::atomic<bool> fail{false};
};

// Clocks that stand still until a test moves them.
struct FakeClocks {
  std::atomic<int64_t> wall_seconds{1'800'000'000};
  std::atomic<int64_t> boot_seconds{1000};

  // Real time goes by.
  void Pass(int64_t seconds) {
    wall_seconds += seconds;
    boot_seconds += seconds;
  }
  Clocks View() {
    return {.wall = [this] { return absl::FromUnixSeconds(wall_seconds); },
            .since_boot = [this] { return absl::Seconds(boot_seconds.load()); }};
  }
};

// A host on a fake world, with verbs that wait for their answers. The world outlives daemons: End
// the daemon and Begin another one on the same state directory, as a restart does.
class HostContext {
 public:
  struct Shape {
    bool needs_kernel = false;  // VMs then have an image, a kernel and a disk
    absl::Duration boot_sign_limit = absl::Seconds(600);
    std::filesystem::path state_dir;  // empty: a temporary one
    uint32_t memory_limit_percent = 80;
    bool pause = true;
    bool overlays = false;    // disks are qcow2 overlays; else raw copies
    bool best_store = false;  // disks are cloned as the file system of the state directory can
    bool live_disks = false;
    // Quick, since nothing in a test is worth waiting for.
    Autopilot::Periods periods = {.first_backoff = absl::Milliseconds(1),
                                  .longest_backoff = absl::Milliseconds(4),
                                  .steady_run = absl::Seconds(10),
                                  .expiry_check = absl::Milliseconds(2)};
  };
  static constexpr uint32_t kHostMemoryMib = 8192;

  HostContext() : HostContext(Shape{}) {}
  explicit HostContext(Shape shape);
  ~HostContext();

  // A daemon that has recovered; `boot_id` is the host's.
  void Begin(std::string boot_id = "boot-1");
  // Ends the daemon as a crash would: machines go on, nothing is settled.
  void End();
  void Restart(std::string boot_id = "boot-1") {
    End();
    Begin(std::move(boot_id));
  }
  // The rows while no daemon runs.
  std::unique_ptr<state::Store> OpenStore();

  // What the next daemon begins with.
  Shape& shape() { return shape_; }
  Host& host() { return *host_; }
  Catalog& catalog() { return *catalog_; }
  EventLoop& io() { return *io_; }

  static CreateVmSpec Spec(std::string name);
  absl::StatusOr<VmView> Create(CreateVmSpec spec, Cancellation cancellation = {});
  absl::StatusOr<VmView> Create(std::string name) { return Create(Spec(std::move(name))); }
  // Without a first start.
  absl::StatusOr<VmView> CreateIdle(std::string name);
  absl::StatusOr<VmView> Start(std::string name);
  absl::StatusOr<VmView> Stop(std::string name, StopPlan plan = {});
  absl::Status Delete(std::string name, Host::DeleteMode mode = Host::DeleteMode::kStoppedOnly);
  absl::StatusOr<VmView> Get(std::string name);
  absl::StatusOr<VmView> Wait(std::string name, WaitCondition condition,
                              Cancellation cancellation = {});
  std::vector<VmView> List(VmFilter filter = {});
  absl::StatusOr<VmView> RestartVm(std::string name, StopPlan plan = {});
  absl::StatusOr<VmView> Pause(std::string name);
  absl::StatusOr<VmView> Resume(std::string name);
  absl::StatusOr<VmView> Rename(std::string name, std::string new_name);
  absl::StatusOr<VmView> Update(std::string name, VmUpdate update);
  absl::StatusOr<std::vector<Anomaly>> Check();
  // "kind:vm" of each anomaly, sorted, with blanks between them.
  std::string Anomalies();
  absl::StatusOr<std::vector<Repair>> RepairAll(HostRepair::Mode mode = HostRepair::Mode::kRepair);

  // The same without waiting for the answer.
  Awaited<VmView> BeginCreate(CreateVmSpec spec, Cancellation cancellation = {});
  Awaited<VmView> BeginStop(std::string name, StopPlan plan = {});
  Awaited<VmView> BeginRestart(std::string name, StopPlan plan = {});
  Awaited<VmView> BeginWait(std::string name, WaitCondition condition,
                            Cancellation cancellation = {});
  Awaited<Done> BeginDelete(std::string name, Host::DeleteMode mode);
  template <typename T>
  static absl::StatusOr<T> Answer(Awaited<T> awaited) {
    return awaited.Wait(Soon(), "an answer");
  }

  // The kinds of all events of a VM so far, in order, with blanks between them.
  std::string Events(std::string_view vm);
  // Waits for the next event of this kind after number `after`; answers it.
  absl::StatusOr<state::Event> AwaitEvent(std::string_view vm, std::string_view kind,
                                          uint64_t after = 0);
  state::Event MustSee(std::string_view vm, std::string_view kind, uint64_t after = 0) {
    return testing::ValueOf(AwaitEvent(vm, kind, after));
  }
  uint64_t LastEvent() { return Summary().last_event; }
  Host::Summary Summary();

  std::filesystem::path VmDir(std::string_view vm) const { return state_dir() / "vms" / vm; }
  const std::filesystem::path& state_dir() const { return state_dir_; }
  // No row, no directory, no machine, and CID 3 is free again.
  void CheckNothingLeft(std::string_view vm);
  // Waits until everything that was posted to the host before has run.
  void Settle();

  void AddImage(std::string_view name, uint64_t size_bytes = 4096,
                const images::ImageConfig& config = {});
  void AddKernel(std::string_view name);

  static Cancellation Soon() { return Cancellation::After(absl::Seconds(30)); }

  testing::FakeWorld world;
  FakeDisks disks;
  FakeClocks clocks;
  // What was logged at warn and above.
  std::atomic<int> warnings{0};

 private:
  std::unique_ptr<storage::VolumeStore> MakeVolumes();

  Shape shape_;
  testing::TempDir dir_;
  const std::filesystem::path state_dir_;
  std::unique_ptr<EventLoop> io_;
  std::unique_ptr<images::ImageStore> images_;
  std::unique_ptr<images::KernelStore> kernels_;
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<Host> host_;
};

}  // namespace ember::daemon
