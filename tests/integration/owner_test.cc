// What a single owner promises when its host lets it down: a full or read-only disk, a recorded pid
// that is somebody else's by now.
#include <fmt/format.h>
#include <signal.h>

#include <fstream>
#include <string>
#include <thread>

#include "base/file.h"
#include "state/database.h"
#include "tests/e2e/host_calls.h"
#include "tests/e2e/installation.h"
#include "tests/support/catch.h"
#include "tests/support/loop_filesystem.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {
namespace {

constexpr uint64_t kDiskBytes = uint64_t{24} << 20;
constexpr size_t kBlock = 4096;

Installation::Shape LocalShape(std::filesystem::path state_dir = {}) {
  Installation::Shape shape;
  shape.daemon_words = {"--allow-insecure-local"};
  shape.log_level = "info";
  shape.state_dir = std::move(state_dir);
  return shape;
}

// Takes all the room that is left. Destroyed, it gives it back.
class Filler {
 public:
  explicit Filler(std::filesystem::path path) : path_(std::move(path)) { Fill(); }
  ~Filler() { std::filesystem::remove(path_); }
  Filler(const Filler&) = delete;
  Filler& operator=(const Filler&) = delete;

 private:
  void Fill() {
    std::ofstream file(path_, std::ios::binary);
    const std::string block(kBlock, 'x');
    while (file.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) continue;
  }

  const std::filesystem::path path_;
};

bool Answers(const Installation& ember, const std::string& vm) {
  return ember.Ember({"exec", vm, "--", "/bin/true", ""}).exit.code == 0;
}

// Every VM that is listed has its lease, its directory, and nothing else is there.
void CheckInOrder(const Installation& ember, int64_t vms) {
  CHECK(ember.VmsAtRest().size() == static_cast<size_t>(vms));
  CHECK(ember.Json({"host", "check"}) == nlohmann::json::array());
}

#define NEED_LOOP(disk) \
  if (!(disk).mounted()) EMBER_SKIP("no loop filesystem: " + (disk).why_not())

TEST_CASE("a full disk refuses new VMs, keeps those that run, and is forgotten once there is room",
          "[integration][disk]") {
  LoopFilesystem disk("ext4", kDiskBytes);
  NEED_LOOP(disk);
  Installation ember(LocalShape(disk.root()));
  ember.StartDaemon();
  ember.EmberOk({"vm", "create", "web", "--image", "none", "--backend", "local", "--quiet"});
  int64_t made = 1;
  {
    const Filler filler(disk.root() / "filler");
    // The log has some room that it uses again; not for long.
    constexpr int kMostThatFit = 200;
    ToolResult refused;
    for (int i = 0; i < kMostThatFit; ++i) {
      refused = ember.Ember({"vm", "create", fmt::format("vm-{}", i), "--image", "none",
                             "--backend", "local", "--no-start", "--quiet"});
      if (refused.exit.code != 0) break;
      ++made;
    }
    INFO(refused.err);
    REQUIRE(refused.exit.code != 0);
    CHECK((refused.err.find("disk") != std::string::npos ||
           refused.err.find("No space left") != std::string::npos));
    CHECK_FALSE(ember.daemon().Ended());
    CHECK(Answers(ember, "web"));
    CHECK(ember.Json({"vm", "list"}).size() >= static_cast<size_t>(made));
  }
  ember.EmberOk(
      {"vm", "create", "after", "--image", "none", "--backend", "local", "--no-start", "--quiet"});
  CheckInOrder(ember, made + 1);
  CHECK(Answers(ember, "web"));
  ember.EmberOk({"vm", "delete", "--all", "--force", "--quiet"});
  ember.StopDaemon();
  for (const char* table : {"vm", "cid_lease", "address_lease"}) CHECK(ember.CountRows(table) == 0);
  CHECK(std::filesystem::is_empty(ember.state_dir() / "vms"));
}

TEST_CASE("a daemon that starts on a full disk keeps every VM running", "[integration][disk]") {
  LoopFilesystem disk("ext4", kDiskBytes);
  NEED_LOOP(disk);
  Installation ember(LocalShape(disk.root()));
  ember.StartDaemon();
  ember.EmberOk({"vm", "create", "web", "--image", "none", "--backend", "local", "--quiet"});
  const int pid = ember.Json({"vm", "inspect", "web"})["pid"];
  ember.KillDaemon();
  {
    const Filler filler(disk.root() / "filler");
    ember.StartDaemon();
    CHECK(ember.Json({"vm", "inspect", "web"})["pid"] == pid);
    CHECK(Answers(ember, "web"));
  }
  CheckInOrder(ember, 1);
}

// Gives the VM's machine another pid, with the start time as it is in the row: what a reused pid
// looks like.
void PointAt(const Installation& ember, pid_t pid) {
  auto database = ValueOf(state::Database::Open(ember.state_dir() / "state.db"));
  REQUIRE_OK(database->Execute(fmt::format("UPDATE machine SET pid = {}", pid)));
}

TEST_CASE("a recorded pid that belongs to another process now is never signalled",
          "[integration][pid]") {
  Installation ember(LocalShape());
  ember.StartDaemon();
  ember.EmberOk({"vm", "create", "web", "--image", "none", "--backend", "local", "--quiet"});
  const int machine = ember.Json({"vm", "inspect", "web"})["pid"];
  ember.KillDaemon();
  Process ours = ValueOf(Process::Open(ValueOf(IdentifyProcess(machine))));
  REQUIRE_OK(ours.Signal(SIGKILL));
  REQUIRE_OK(ours.Wait(Cancellation::After(absl::Seconds(10))));
  SpawnOptions options;
  options.argv = {"sleep", "600"};
  Process stranger = ValueOf(Spawn(options));
  PointAt(ember, stranger.identity().pid);

  ember.StartDaemon();
  const nlohmann::json vms = ember.VmsAtRest();
  REQUIRE(vms.size() == 1);
  CHECK(vms[0]["status"] == "failed");
  CHECK_FALSE(stranger.Ended());
  ember.EmberOk({"vm", "start", "web", "--quiet"});
  CHECK_FALSE(stranger.Ended());
  ember.EmberOk({"vm", "delete", "web", "--force", "--quiet"});
  CHECK_FALSE(stranger.Ended());
  REQUIRE_OK(stranger.Signal(SIGKILL));
  REQUIRE_OK(stranger.Wait(Cancellation::After(absl::Seconds(10))));
}

TEST_CASE("a lock that a child of the last daemon still has is waited for", "[integration][lock]") {
  Installation ember(LocalShape());
  UniqueFd lock = ValueOf(LockFile(ember.state_dir() / "lock"));
  absl::Time released;
  std::jthread child([&lock, &released] {
    Cancellation{}.Pause(absl::Milliseconds(150), "the child's life").IgnoreError();
    released = absl::Now();
    lock.Reset();
  });
  ember.StartDaemon();
  child.join();
  CHECK(absl::Now() >= released);
  CHECK(ember.StopDaemon().code == 0);
}

}  // namespace
}  // namespace ember::testing
