// What a session costs: how many commands a second, and a gibibyte through one.
#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <thread>

#include "base/file.h"
#include "tests/bench/host/samples.h"
#include "tests/e2e/host_calls.h"
#include "tests/e2e/installation.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::bench {
namespace {

using testing::HostCalls;
using testing::ValueOf;

constexpr int kExecs = 400;
constexpr int kClients = 50;
constexpr size_t kPipeBytes = size_t{1} << 30;

long RssKib(pid_t pid) {
  const std::string status = ValueOf(ReadFile(fmt::format("/proc/{}/status", pid)));
  return std::stol(status.substr(status.find("VmRSS:") + 6));
}

double PerSecond(int count, absl::Duration time) { return count / absl::ToDoubleSeconds(time); }

// `count` commands, one after the other; how many failed.
int RunTrue(HostCalls& calls, int count) {
  int failed = 0;
  for (int i = 0; i < count; ++i) {
    int code = -1;
    if (!calls.Exec("web", {"/bin/true"}, code).ok() || code != 0) ++failed;
  }
  return failed;
}

TEST_CASE("commands a second, one after the other and 50 at once", "[execs]") {
  if (!testing::PreparedState().has_value()) EMBER_SKIP("EMBER_TEST_STATE is not set");
  testing::Installation ember(testing::Installation::Shape{.log_level = "info"});
  ember.StartDaemon();
  ember.CreateVm("web");
  const std::filesystem::path socket = ember.state_dir() / "emberhostd.sock";
  HostCalls calls(socket);
  RunTrue(calls, 20);

  int failed = 0;
  const absl::Duration sequential = TimeOf([&] { failed = RunTrue(calls, kExecs); });
  std::printf("sequential, one gRPC client: %.0f/s, %d failed\n", PerSecond(kExecs, sequential),
              failed);

  std::atomic<int> failed_together = 0;
  const absl::Duration together = TimeOf([&] {
    std::vector<std::thread> clients;
    for (int i = 0; i < kClients; ++i) {
      clients.emplace_back([&] {
        HostCalls own(socket);
        failed_together += RunTrue(own, kExecs / kClients * 4);
      });
    }
    for (std::thread& client : clients) client.join();
  });
  std::printf("%d at once, a gRPC client each: %.0f/s, %d failed\n", kClients,
              PerSecond(kExecs * 4, together), failed_together.load());

  Samples programs;
  const auto argv = ember.EmberTool({"exec", "web", "--no-stdin", "--", "/bin/true", ""}).argv;
  for (int i = 0; i < kExecs / 4; ++i) programs.Add(TimeOfProgram(argv));
  std::printf("sequential, a process each: %.0f/s\n", 1 / absl::ToDoubleSeconds(programs.Median()));
}

// A file of `size` zeros that takes no room.
UniqueFd HoleOf(size_t size) {
  const testing::TempDir dir;
  UniqueFd file(open((dir / "hole").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  REQUIRE(file.valid());
  REQUIRE(ftruncate(file.get(), static_cast<off_t>(size)) == 0);
  return file;
}

TEST_CASE("1 GiB through a command and back", "[pipe]") {
  if (!testing::PreparedState().has_value()) EMBER_SKIP("EMBER_TEST_STATE is not set");
  testing::Installation ember(testing::Installation::Shape{.log_level = "info"});
  ember.StartDaemon();
  ember.CreateVm("web");
  ember.Exec("web", {"cat"}, std::string(1 << 20, 'x'));
  const pid_t daemon = ember.daemon().identity().pid;
  const long before = RssKib(daemon);

  const UniqueFd input = HoleOf(kPipeBytes);
  int counted[2];
  REQUIRE(pipe2(counted, O_CLOEXEC) == 0);
  UniqueFd read_end(counted[0]);
  UniqueFd write_end(counted[1]);
  SpawnOptions options;
  options.argv = ember.EmberTool({"exec", "web", "--", "cat"}).argv;
  options.stdin_fd = input.get();
  options.stdout_fd = write_end.get();
  size_t received = 0;
  long most = before;
  ExitStatus exit;
  const absl::Duration time = TimeOf([&] {
    Process process = ValueOf(Spawn(options));
    write_end.Reset();
    std::string buffer(size_t{1} << 20, '\0');
    size_t looked_at = 0;
    while (true) {
      const ssize_t got = read(read_end.get(), buffer.data(), buffer.size());
      if (got <= 0) break;
      received += static_cast<size_t>(got);
      if (received - looked_at < (size_t{16} << 20)) continue;
      looked_at = received;
      most = std::max(most, RssKib(daemon));
    }
    exit = ValueOf(process.Wait(Cancellation::After(absl::Seconds(60))));
  });
  CHECK(exit.code == 0);
  CHECK(received == kPipeBytes);
  std::printf("1 GiB in and out: %.0f MiB/s each way, %.1f s\n", 1024 / absl::ToDoubleSeconds(time),
              absl::ToDoubleSeconds(time));
  std::printf("emberhostd RSS before %ld KiB, most during %ld KiB, after %ld KiB\n", before, most,
              RssKib(daemon));
}

}  // namespace
}  // namespace ember::bench
