#include "backends/hypervisor/process_family.h"

#include <signal.h>

#include <fstream>
#include <future>

#include "backends/hypervisor/process_log.h"
#include "base/file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember::hypervisor {
namespace {

using ember::testing::TempDir;
using ember::testing::ValueOf;

Cancellation Soon() { return Cancellation::After(absl::Seconds(20)); }

// A hypervisor and one companion that only wait, one socket file and one log.
struct Household {
  Household() {
    io->Start();
    std::ofstream(socket) << "";
    std::ofstream(log) << "first line\nsad\x01 end\n";
  }
  ~Household() {
    for (const ProcessIdentity& identity : {hypervisor, companion}) {
      if (auto process = Process::Open(identity); process.ok()) {
        process->Signal(SIGKILL).IgnoreError();
        process->Wait(Soon()).IgnoreError();
      }
    }
  }

  Process Start(ProcessIdentity& identity, std::vector<std::string> argv) {
    SpawnOptions options;
    options.argv = std::move(argv);
    Process process = ValueOf(Spawn(options));
    identity = process.identity();
    return process;
  }

  std::unique_ptr<ProcessFamily> Watch(ProcessFamily::CompanionLost lost = nullptr) {
    std::vector<Process> companions;
    companions.push_back(Start(companion, {"sleep", "1000"}));
    ProcessFamily::Members members{
        Start(hypervisor, {"sleep", "1000"}), std::move(companions), {socket}, {log}};
    return ValueOf(ProcessFamily::Watch(*io, std::move(members), std::move(lost)));
  }

  TempDir dir;
  std::filesystem::path socket = dir / "a.sock";
  std::filesystem::path log = dir / "a.log";
  std::unique_ptr<EventLoop> io = ValueOf(EventLoop::Create("io"));
  ProcessIdentity hypervisor;
  ProcessIdentity companion;
};

TEST_CASE("companions end with their hypervisor and sockets go last", "[hypervisor][family]") {
  Household house;
  const auto family = house.Watch();
  REQUIRE(kill(house.hypervisor.pid, SIGTERM) == 0);
  const ExitReport report = ValueOf(family->WaitForExit(Soon()));
  CHECK(report.exit.signal == SIGTERM);
  CHECK(report.last_words == "first line; sad end");
  CHECK_FALSE(IdentifyProcess(house.companion.pid).ok());
  CHECK_FALSE(std::filesystem::exists(house.socket));
  CHECK(family->Ended());
}

TEST_CASE("the loss of a companion is told while the hypervisor lives", "[hypervisor][family]") {
  Household house;
  std::promise<ProcessIdentity> lost;
  const auto family = house.Watch([&](ProcessIdentity who) { lost.set_value(who); });
  REQUIRE(kill(house.companion.pid, SIGKILL) == 0);
  CHECK(lost.get_future().get() == house.companion);
  CHECK_FALSE(family->Ended());
  CHECK(std::filesystem::exists(house.socket));

  // The one that takes its place ends with the family too.
  ProcessIdentity second;
  family->Join(house.Start(second, {"sleep", "1000"}));
  REQUIRE_OK(family->Kill(Soon()));
  CHECK_FALSE(IdentifyProcess(second.pid).ok());
}

TEST_CASE("waiting for a machine that lives ends with the caller's patience",
          "[hypervisor][family]") {
  Household house;
  const auto family = house.Watch();
  const auto report = family->WaitForExit(Cancellation::After(absl::Milliseconds(20)));
  CHECK(absl::IsDeadlineExceeded(report.status()));
  CHECK(IdentifyProcess(house.hypervisor.pid).ok());
}

TEST_CASE("a family may be destroyed by its own exit callback", "[hypervisor][family]") {
  Household house;
  auto family = house.Watch();
  std::promise<void> destroyed;
  family->OnExit([&](ExitReport) {
    family.reset();
    destroyed.set_value();
  });
  REQUIRE(kill(house.hypervisor.pid, SIGKILL) == 0);
  destroyed.get_future().get();
  CHECK(family == nullptr);
}

TEST_CASE("destroying a family races with its end without harm", "[hypervisor][family]") {
  for (int round = 0; round < 20; ++round) {
    Household house;
    auto family = house.Watch();
    auto calls = std::make_shared<std::atomic<int>>(0);
    family->OnExit([calls](ExitReport) { ++*calls; });
    REQUIRE(kill(house.hypervisor.pid, SIGKILL) == 0);
    REQUIRE(kill(house.companion.pid, SIGKILL) == 0);
    family.reset();
    const int when_destroyed = *calls;
    std::promise<void> drained;
    house.io->Post([&] { drained.set_value(); });
    drained.get_future().get();
    CHECK(*calls == when_destroyed);
  }
}

TEST_CASE("a log that outgrew its limit keeps its newer half", "[hypervisor][log]") {
  TempDir dir;
  const UniqueFd fd = ValueOf(OpenProcessLog(dir / "p.log"));
  const std::string old(1000, 'o');
  const std::string fresh(500, 'n');
  REQUIRE(write(fd.get(), (old + fresh).data(), 1500) == 1500);
  BoundLog(dir / "p.log", 1500);
  CHECK(std::filesystem::file_size(dir / "p.log") == 1500);
  BoundLog(dir / "p.log", 1000);
  CHECK(ValueOf(ReadFile(dir / "p.log")) == fresh);
  // The writer goes on behind what was kept.
  REQUIRE(write(fd.get(), "!", 1) == 1);
  CHECK(ValueOf(ReadFile(dir / "p.log")) == fresh + "!");
  BoundLog(dir / "absent.log");
}

TEST_CASE("a log is never opened through a symbolic link", "[hypervisor][log]") {
  TempDir dir;
  std::ofstream(dir / "victim") << "precious";
  std::filesystem::create_symlink(dir / "victim", dir / "p.log");
  CHECK_FALSE(OpenProcessLog(dir / "p.log").ok());
  CHECK(ValueOf(ReadFile(dir / "victim")) == "precious");
  CHECK(LastWords(dir / "p.log").empty());
}

}  // namespace
}  // namespace ember::hypervisor
