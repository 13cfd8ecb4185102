// Many clients at once, all let go at the same moment: no CID, address block, name or row is given
// twice, and none is lost.
#include <fmt/format.h>

#include <array>
#include <atomic>
#include <barrier>
#include <functional>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/host_calls.h"
#include "tests/e2e/installation.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {
namespace {

constexpr int kClients = 200;
constexpr uint32_t kFirstCid = 3;

// Every table that holds something of a VM.
constexpr std::array kVmTables = {"vm",         "vm_label", "cid_lease", "address_lease",
                                  "port_lease", "machine"};

Installation::Shape LocalShape() {
  Installation::Shape shape;
  shape.daemon_words = {"--allow-insecure-local"};
  shape.log_level = "warn";
  return shape;
}

// Runs `work(number)` on so many threads with a client each; all begin when all are connected. What
// each of them answers.
template <typename Result>
std::vector<Result> AllAtOnce(const Installation& ember, int threads,
                              std::function<Result(HostCalls&, int)> work) {
  std::vector<Result> results(static_cast<size_t>(threads));
  std::barrier start(threads);
  std::vector<std::jthread> running;
  running.reserve(results.size());
  for (int number = 0; number < threads; ++number) {
    running.emplace_back([&, number] {
      HostCalls calls(ember.state_dir() / "emberhostd.sock");
      std::vector<v1::Vm> connected;
      calls.List(connected);
      start.arrive_and_wait();
      results[static_cast<size_t>(number)] = work(calls, number);
    });
  }
  running.clear();
  return results;
}

std::vector<v1::Vm> ListOf(const Installation& ember) {
  HostCalls calls(ember.state_dir() / "emberhostd.sock");
  std::vector<v1::Vm> vms;
  const grpc::Status status = calls.List(vms);
  INFO(status.error_message());
  REQUIRE(status.ok());
  return vms;
}

void CheckNoAnomaly(const Installation& ember) {
  CHECK(ember.Json({"host", "check"}) == nlohmann::json::array());
}

void CheckRows(const Installation& ember, std::string_view table, int64_t expected) {
  INFO(table);
  CHECK(ember.CountRows(std::string(table)) == expected);
}

TEST_CASE("200 creates at once get 200 CIDs and 200 address blocks", "[integration][stress]") {
  Installation ember(LocalShape());
  ember.StartDaemon();
  const auto results = AllAtOnce<grpc::Status>(ember, kClients, [](HostCalls& calls, int number) {
    return calls.CreateIdle(fmt::format("vm-{}", number));
  });
  for (const grpc::Status& status : results) {
    INFO(status.error_message());
    CHECK(status.ok());
  }

  std::set<uint32_t> cids, blocks;
  std::set<std::string> guest_ips, names;
  for (const v1::Vm& vm : ListOf(ember)) {
    names.insert(vm.name());
    cids.insert(vm.guest_cid());
    blocks.insert(vm.address().block_index());
    guest_ips.insert(vm.address().guest_ip());
  }
  CHECK(names.size() == kClients);
  CHECK(guest_ips.size() == kClients);
  // The lowest ones, without a gap.
  REQUIRE(cids.size() == kClients);
  CHECK(*cids.begin() == kFirstCid);
  CHECK(*cids.rbegin() == kFirstCid + kClients - 1);
  REQUIRE(blocks.size() == kClients);
  CHECK(*blocks.rbegin() == kClients - 1);
  CheckNoAnomaly(ember);

  ember.StopDaemon();
  for (const char* table : {"vm", "cid_lease", "address_lease"}) CheckRows(ember, table, kClients);
}

TEST_CASE("of 200 creates with one name exactly one wins, and the others lease nothing",
          "[integration][stress]") {
  Installation ember(LocalShape());
  ember.StartDaemon();
  const auto results = AllAtOnce<grpc::Status>(
      ember, kClients, [](HostCalls& calls, int) { return calls.CreateIdle("web"); });
  int made = 0;
  int refused = 0;
  for (const grpc::Status& status : results) {
    made += status.ok() ? 1 : 0;
    refused += status.error_code() == grpc::StatusCode::ALREADY_EXISTS ? 1 : 0;
  }
  CHECK(made == 1);
  CHECK(refused == kClients - 1);
  const auto vms = ListOf(ember);
  REQUIRE(vms.size() == 1);
  CHECK(vms[0].guest_cid() == kFirstCid);
  CheckNoAnomaly(ember);

  ember.StopDaemon();
  for (const char* table : {"vm", "cid_lease", "address_lease"}) CheckRows(ember, table, 1);
}

// What one client of the churn saw.
struct ChurnTally {
  int done = 0;
  int refused = 0;                      // as it may be: somebody else was quicker
  std::vector<std::string> unexpected;  // errors that nothing explains
};

TEST_CASE("5,000 creates and deletes by 16 clients over few names end in an empty table",
          "[integration][stress]") {
  constexpr int kThreads = 16;
  constexpr int kOperations = 5000;
  constexpr int kNames = 24;  // fewer than operations under way, so clients get in each other's way
  const unsigned seed = std::random_device{}();
  INFO("seed " << seed);
  Installation ember(LocalShape());
  ember.StartDaemon();

  std::atomic<int> left{kOperations};
  const auto tallies =
      AllAtOnce<ChurnTally>(ember, kThreads, [&left, seed](HostCalls& calls, int number) {
        std::mt19937 random(seed + static_cast<unsigned>(number));
        ChurnTally tally;
        while (left.fetch_sub(1) > 0) {
          const std::string name = fmt::format("vm-{}", random() % kNames);
          const bool create = random() % 2 == 0;
          const grpc::Status status = create ? calls.CreateIdle(name) : calls.Delete(name);
          const grpc::StatusCode code = status.error_code();
          // It is there already, or not there, or another client creates or deletes it right now.
          const bool late =
              code == (create ? grpc::StatusCode::ALREADY_EXISTS : grpc::StatusCode::NOT_FOUND) ||
              code == grpc::StatusCode::FAILED_PRECONDITION || code == grpc::StatusCode::ABORTED;
          if (status.ok()) {
            ++tally.done;
          } else if (late) {
            ++tally.refused;
          } else {
            tally.unexpected.push_back(status.error_message());
          }
        }
        return tally;
      });
  ChurnTally all;
  for (const ChurnTally& tally : tallies) {
    all.done += tally.done;
    all.refused += tally.refused;
    for (const std::string& text : tally.unexpected) FAIL_CHECK(text);
  }
  CHECK(all.done + all.refused == kOperations);
  CHECK(all.done > kOperations / 4);
  // Unique at any moment, so also now, in the middle of it.
  std::set<uint32_t> cids, blocks;
  const auto vms = ListOf(ember);
  for (const v1::Vm& vm : vms) {
    cids.insert(vm.guest_cid());
    blocks.insert(vm.address().block_index());
  }
  CHECK(cids.size() == vms.size());
  CHECK(blocks.size() == vms.size());
  CheckNoAnomaly(ember);

  HostCalls calls(ember.state_dir() / "emberhostd.sock");
  for (const v1::Vm& vm : vms) CHECK(calls.Delete(vm.name()).ok());
  ember.StopDaemon();
  for (const char* table : kVmTables) CheckRows(ember, table, 0);
  CHECK(std::filesystem::is_empty(ember.state_dir() / "vms"));
}

}  // namespace
}  // namespace ember::testing
