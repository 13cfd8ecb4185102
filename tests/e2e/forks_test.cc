// Forks and snapshots of real VMs: what the guests in them see.
#include <set>
#include <string>

#include "base/cancellation.h"
#include "tests/e2e/installation.h"
#include "tests/support/catch.h"
#include "tests/support/loop_filesystem.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {
namespace {

#define REQUIRE_PREPARED() \
  if (!PreparedState().has_value()) EMBER_SKIP("EMBER_TEST_STATE is not set: run ./tests/run")

constexpr char kDatabase[] = "/root/load.db";

void PutLoad(const Installation& ember, const std::string& vm) {
  ember.EmberOk({"cp", EMBER_SQLITE_LOAD, vm + ":/root/sqlite_load", "--quiet"});
}

// How many rows a sound database has.
int RowsIn(const Installation& ember, const std::string& vm) {
  const ToolResult result =
      ember.Ember({"exec", vm, "--", "/root/sqlite_load", "check", kDatabase});
  INFO(vm << ": " << result.out << result.err);
  REQUIRE(result.exit.code == 0);
  REQUIRE(result.out.starts_with("ok "));
  return std::stoi(result.out.substr(3));
}

void AwaitRows(const Installation& ember, const std::string& vm, int rows) {
  const Cancellation limit = Cancellation::After(absl::Seconds(60));
  while (RowsIn(ember, vm) < rows) REQUIRE_OK(limit.Pause(absl::Milliseconds(50), "rows"));
}

TEST_CASE("forks of a VM that writes a database find it sound", "[e2e][forks]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("source");
  PutLoad(ember, "source");
  ember.EmberOk({"exec", "source", "--detach", "--", "/root/sqlite_load", "write", kDatabase});
  int before = 5;
  for (const std::string fork : {"first", "second", "third"}) {
    AwaitRows(ember, "source", before);
    before = RowsIn(ember, "source");
    const nlohmann::json made = ember.Json({"vm", "fork", "source", fork});
    CHECK(made["status"] == "running");
    CHECK(made["parent_vm"] == "source");
    CHECK(made["frozen_ms"] > 0);
    CHECK(made["frozen_ms"] < 5000);
    // All that was committed before is there, and the writer is not.
    const int rows = RowsIn(ember, fork);
    CHECK(rows >= before);
    CHECK(RowsIn(ember, fork) == rows);
    ember.EmberOk({"vm", "stop", fork, "--force"});
  }
  // The source has gone on all the while.
  AwaitRows(ember, "source", before + 5);
  ember.EmberOk({"vm", "stop", "source"});
  ember.EmberOk({"vm", "start", "source"});
  CHECK(RowsIn(ember, "source") >= before + 5);
  ember.EmberOk({"vm", "delete", "source", "--force"});
  ember.EmberOk({"vm", "start", "third"});
  CHECK(RowsIn(ember, "third") > 0);
}

TEST_CASE("a fork of a VM that is off has its content and an identity of its own", "[e2e][forks]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("source");
  const std::string machine_id = "0123456789abcdef0123456789abcdef\n";
  ember.Exec("source", {"echo kept > /root/file; printf '" + machine_id.substr(0, 32) +
                        "\\n' > /etc/machine-id; sync"});
  ember.EmberOk({"vm", "stop", "source"});
  for (const std::string fork : {"one", "two"}) {
    ember.EmberOk({"vm", "fork", "source", fork});
    CHECK(ember.Exec(fork, {"cat", "/root/file"}) == "kept\n");
    CHECK(ember.Exec(fork, {"hostname"}) == fork + "\n");
  }
  CHECK(ember.Exec("one", {"cat /etc/machine-id"}) != machine_id);
  CHECK(ember.Exec("one", {"cat /etc/machine-id"}) != ember.Exec("two", {"cat /etc/machine-id"}));
  ember.Exec("one", {"echo changed > /root/file; sync"});
  CHECK(ember.Exec("two", {"cat", "/root/file"}) == "kept\n");
  ember.EmberOk({"vm", "start", "source"});
  CHECK(ember.Exec("source", {"cat", "/root/file"}) == "kept\n");
}

TEST_CASE("a restored snapshot has the old content", "[e2e][forks]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web");
  ember.Exec("web", {"echo old > /root/file"});
  CHECK(ember.Json({"snapshot", "create", "web", "before"})["frozen_ms"] > 0);
  ember.Exec("web", {"echo new > /root/file; sync"});
  CHECK(ember.Exec("web", {"cat", "/root/file"}) == "new\n");

  CHECK(ember.Ember({"snapshot", "restore", "web", "before"}).exit.code == 5);  // it runs
  ember.EmberOk({"vm", "stop", "web"});
  ember.EmberOk({"snapshot", "restore", "web", "before"});
  ember.EmberOk({"vm", "start", "web"});
  CHECK(ember.Exec("web", {"cat", "/root/file"}) == "old\n");
  CHECK(ember.Json({"snapshot", "list", "web"}).size() == 1);

  const ToolResult refused = ember.Ember({"vm", "delete", "web"});
  CHECK(refused.exit.code == 5);
  ember.EmberOk({"vm", "stop", "web", "--force"});
  CHECK(ember.Ember({"vm", "delete", "web"}).err.find("snapshot(s): before") != std::string::npos);
  ember.EmberOk({"vm", "delete", "web", "--force"});
  CHECK(ember.Json({"snapshot", "list"}).empty());
}

TEST_CASE("a paused VM is forked, and is paused again", "[e2e][forks]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("source");
  ember.Exec("source", {"echo kept > /root/file"});
  ember.EmberOk({"vm", "pause", "source"});
  ember.EmberOk({"vm", "fork", "source", "fork"});
  CHECK(ember.Exec("fork", {"cat", "/root/file"}) == "kept\n");
  CHECK(ember.Json({"vm", "inspect", "source"})["status"] == "paused");
  ember.EmberOk({"vm", "resume", "source"});
  CHECK(ember.Exec("source", {"cat", "/root/file"}) == "kept\n");
}

}  // namespace
}  // namespace ember::testing
