// How many VMs a second get their CID, address block and row, durably: 16 clients of the daemon,
// and 16 that do as the daemonless design did, in turn on the same disk.
#include <fmt/format.h>

#include <atomic>
#include <barrier>
#include <cstdio>
#include <functional>
#include <thread>
#include <vector>

#include "state/database.h"
#include "tests/bench/host/samples.h"
#include "tests/e2e/host_calls.h"
#include "tests/e2e/installation.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::bench {
namespace {

using testing::ValueOf;

constexpr int kClients = 16;
constexpr int kRounds = 5;
constexpr int kPerRound = 800;

// What one side did in all rounds.
struct Tally {
  Samples each;               // time of one allocation
  std::vector<double> rates;  // a second, one per round

  double MedianRate() const {
    std::vector<double> sorted = rates;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }
};

// One round: `count` allocations by all clients together. `allocate(client, number)` says whether
// it worked.
void Round(int first, const std::function<bool(int, int)>& allocate, Tally& tally) {
  std::vector<Samples> samples(kClients);
  std::atomic<int> next{first};
  std::atomic<int> failed{0};
  std::barrier start(kClients + 1);
  std::vector<std::jthread> clients;
  for (int client = 0; client < kClients; ++client) {
    clients.emplace_back([&, client] {
      start.arrive_and_wait();
      for (int number = next++; number < first + kPerRound; number = next++) {
        samples[static_cast<size_t>(client)].Add(
            TimeOf([&] { failed += allocate(client, number) ? 0 : 1; }));
      }
    });
  }
  start.arrive_and_wait();
  const absl::Duration took = TimeOf([&clients] { clients.clear(); });
  REQUIRE(failed == 0);
  tally.rates.push_back(kPerRound / absl::ToDoubleSeconds(took));
  for (const Samples& one : samples) tally.each.Add(one);
}

void MakeBaseline(const std::filesystem::path& path) {
  auto database = ValueOf(state::Database::Open(path));
  REQUIRE_OK(database->Execute(
      "CREATE TABLE vm(name TEXT PRIMARY KEY) STRICT;"
      "CREATE TABLE lease(cid INTEGER PRIMARY KEY, vm TEXT NOT NULL UNIQUE REFERENCES vm) STRICT"));
}

bool InsertOnce(const std::filesystem::path& database, int number) {
  SpawnOptions options;
  options.argv = {EMBER_INSERT_ONCE, database.native(), fmt::format("vm-{}", number)};
  auto process = Spawn(options);
  if (!process.ok()) return false;
  const auto status = process->Wait(Cancellation::After(absl::Seconds(60)));
  return status.ok() && status->code == 0;
}

TEST_CASE("allocations a second", "[allocation]") {
  testing::Installation ember(
      {.daemon = {}, .daemon_words = {"--allow-insecure-local"}, .log_level = "warn"});
  ember.StartDaemon();
  std::vector<std::unique_ptr<testing::HostCalls>> calls;
  for (int client = 0; client < kClients; ++client) {
    calls.push_back(std::make_unique<testing::HostCalls>(ember.state_dir() / "emberhostd.sock"));
  }
  const std::filesystem::path baseline = ember.state_dir() / "baseline.db";
  MakeBaseline(baseline);

  Tally daemon, processes;
  for (int round = 0; round < kRounds; ++round) {
    const int first = round * kPerRound;
    Round(
        first,
        [&calls](int client, int number) {
          return calls[static_cast<size_t>(client)]->CreateIdle(fmt::format("vm-{}", number)).ok();
        },
        daemon);
    Round(
        first, [&baseline](int, int number) { return InsertOnce(baseline, number); }, processes);
  }
  std::printf("emberhostd, %d clients: %.0f/s (median of %d rounds of %d), each %s\n", kClients,
              daemon.MedianRate(), kRounds, kPerRound, daemon.each.Describe().c_str());
  std::printf("a process each, %d at once: %.0f/s, each %s\n", kClients, processes.MedianRate(),
              processes.each.Describe().c_str());
  std::printf("ratio %.1f\n", daemon.MedianRate() / processes.MedianRate());
}

}  // namespace
}  // namespace ember::bench
