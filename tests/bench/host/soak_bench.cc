// kill -9 of the daemon every 200 ms for a minute while clients create, exec and delete: what a
// client was told is so afterwards, and nothing is left that no row explains. Not a benchmark, but
// it takes too long for a test, and prints figures as those do.
#include <fmt/format.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "base/socket.h"
#include "tests/bench/host/samples.h"
#include "tests/e2e/host_calls.h"
#include "tests/e2e/installation.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::bench {
namespace {

using testing::HostCalls;
using testing::ValueOf;

constexpr absl::Duration kWhole = absl::Seconds(60);
constexpr absl::Duration kPeriod = absl::Milliseconds(200);
constexpr int kClients = 4;
constexpr int kNamesEach = 6;
constexpr std::array kRealVms = {"qemu-1", "qemu-2"};

// What a client knows of a VM of its own.
enum class Known {
  kAbsent,   // the daemon said that it is deleted, or it was never made
  kThere,    // the daemon said that it is made
  kUnknown,  // the connection broke before the answer
};

struct ClientLog {
  std::map<std::string, Known> vms;
  int creates = 0, deletes = 0, execs = 0, cut_off = 0;
  std::vector<std::string> wrong;
};

// Whether the daemon was gone before it could answer, or was told of no more than its end.
bool CutOff(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAVAILABLE ||
         status.error_code() == grpc::StatusCode::CANCELLED ||
         status.error_code() == grpc::StatusCode::ABORTED;
}

// One client with names of its own; runs until `stop`.
class Client {
 public:
  Client(std::filesystem::path socket, int number)
      : socket_(std::move(socket)), calls_(std::make_unique<HostCalls>(socket_)), number_(number) {}

  ClientLog Run(const std::atomic<bool>& stop) {
    for (int step = 0; !stop; ++step) {
      if (gone_) Reconnect();
      const std::string name = fmt::format("c{}-{}", number_, step % kNamesEach);
      // Of the idle ones many, of those that run some.
      const bool runs = step % kNamesEach < 2;
      if (log_.vms[name] == Known::kAbsent) {
        Create(name, runs);
      } else {
        if (runs) Exec(name);
        Delete(name);
      }
      if (number_ < static_cast<int>(kRealVms.size()) && step % 4 == 0)
        Exec(kRealVms.at(static_cast<size_t>(number_)));
    }
    return std::move(log_);
  }

 private:
  // The next daemon is on its way.
  void Reconnect() {
    const Cancellation limit = Cancellation::After(absl::Seconds(30));
    while (!ConnectUnix(socket_).ok()) {
      if (!limit.Pause(absl::Milliseconds(2), "the next daemon").ok()) break;
    }
    calls_ = std::make_unique<HostCalls>(socket_);
    gone_ = false;
  }

  void Create(const std::string& name, bool runs) {
    const grpc::Status status = runs ? calls_->CreateLocal(name) : calls_->CreateIdle(name);
    if (status.ok()) ++log_.creates;
    Settle(name, status, Known::kThere);
  }

  void Delete(const std::string& name) {
    const grpc::Status status = calls_->Delete(name, true);
    if (status.ok()) ++log_.deletes;
    const bool gone =
        log_.vms[name] == Known::kUnknown && status.error_code() == grpc::StatusCode::NOT_FOUND;
    Settle(name, gone ? grpc::Status::OK : status, Known::kAbsent);
  }

  void Settle(const std::string& name, const grpc::Status& status, Known now) {
    if (status.ok()) {
      log_.vms[name] = now;
    } else if (CutOff(status) || status.error_code() == grpc::StatusCode::FAILED_PRECONDITION) {
      // Gone with the daemon, or what recovery began for it is still under way.
      ++log_.cut_off;
      gone_ = status.error_code() == grpc::StatusCode::UNAVAILABLE;
      log_.vms[name] = Known::kUnknown;
    } else {
      log_.wrong.push_back(fmt::format("{}: {}", name, status.error_message()));
      log_.vms[name] = Known::kUnknown;
    }
  }

  void Exec(const std::string& vm) {
    int code = -1;
    const grpc::Status status = calls_->Exec(vm, {"/bin/true"}, code);
    gone_ = status.error_code() == grpc::StatusCode::UNAVAILABLE;
    if (!status.ok()) return;
    ++log_.execs;
    if (code != 0) log_.wrong.push_back(fmt::format("{}: exec ended with {}", vm, code));
  }

  const std::filesystem::path socket_;
  std::unique_ptr<HostCalls> calls_;
  const int number_;
  bool gone_ = false;  // the daemon of `calls_`
  ClientLog log_;
};

TEST_CASE("a minute of kill -9 loses nothing and leaks nothing", "[soak]") {
  if (!testing::PreparedState().has_value()) EMBER_SKIP("EMBER_TEST_STATE is not set");
  testing::Installation ember(
      {.daemon = {}, .daemon_words = {"--allow-insecure-local"}, .log_level = "warn"});
  ember.StartDaemon();
  std::map<std::string, int> pids;
  for (const char* name : kRealVms) {
    ember.CreateVm(name);
    pids[name] = ember.Json({"vm", "inspect", name})["pid"];
  }

  std::atomic<bool> stop{false};
  std::vector<ClientLog> logs(kClients);
  std::vector<std::jthread> clients;
  // Before they are joined, also where this test ends early.
  const absl::Cleanup end_clients = [&stop] { stop = true; };
  for (int number = 0; number < kClients; ++number) {
    clients.emplace_back([&, number] {
      logs[static_cast<size_t>(number)] =
          Client(ember.state_dir() / "emberhostd.sock", number).Run(stop);
    });
  }
  int kills = 0;
  Samples starts;
  const absl::Time end = absl::Now() + kWhole;
  while (absl::Now() < end) {
    Cancellation::After(kPeriod).Pause(kPeriod, "the next kill").IgnoreError();
    ember.KillDaemon();
    ++kills;
    starts.Add(TimeOf([&ember] { ember.StartDaemon(); }));
  }
  stop = true;
  clients.clear();

  std::set<std::string> found;
  for (const nlohmann::json& vm : ember.VmsAtRest()) found.insert(vm["name"]);
  int lost = 0, revived = 0, known = 0;
  ClientLog all;
  for (const ClientLog& log : logs) {
    all.creates += log.creates;
    all.deletes += log.deletes;
    all.execs += log.execs;
    all.cut_off += log.cut_off;
    for (const std::string& text : log.wrong) FAIL_CHECK(text);
    for (const auto& [name, what] : log.vms) {
      INFO(name);
      known += what == Known::kUnknown ? 0 : 1;
      lost += what == Known::kThere && !found.contains(name) ? 1 : 0;
      revived += what == Known::kAbsent && found.contains(name) ? 1 : 0;
    }
  }
  for (const char* name : kRealVms) {
    CHECK(ember.Json({"vm", "inspect", name})["pid"] == pids[name]);
    CHECK(ember.Exec(name, {"echo", "alive"}) == "alive\n");
  }
  const nlohmann::json anomalies = ember.Json({"host", "check"});
  INFO(anomalies.dump());
  CHECK(anomalies == nlohmann::json::array());
  std::printf("%d kills, start to serving %s\n", kills, starts.Describe().c_str());
  std::printf("answered: %d creates, %d deletes, %d execs; cut off: %d\n", all.creates, all.deletes,
              all.execs, all.cut_off);
  std::printf("known at the end: %d VMs; lost %d, revived %d\n", known, lost, revived);
  CHECK(lost == 0);
  CHECK(revived == 0);

  ember.EmberOk({"vm", "delete", "--all", "--force", "--quiet"});
  ember.StopDaemon();
  size_t left = ember.Tagged().size();
  for (const char* table :
       {"vm", "vm_label", "cid_lease", "address_lease", "port_lease", "machine"}) {
    left += static_cast<size_t>(ember.CountRows(table));
  }
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator(ember.state_dir() / "vms")) {
    ++left;
  }
  std::printf("left after deleting all: %zu processes, rows and directories\n", left);
  CHECK(left == 0);
}

}  // namespace
}  // namespace ember::bench
