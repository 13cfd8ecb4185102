// Data volumes and the size of disks on real VMs.
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/e2e/installation.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {
namespace {

#define REQUIRE_PREPARED() \
  if (!PreparedState().has_value()) EMBER_SKIP("EMBER_TEST_STATE is not set: run ./tests/run")

// Bytes that a file takes on the host.
uint64_t Taken(const std::filesystem::path& file) {
  struct stat status {};
  REQUIRE(stat(file.c_str(), &status) == 0);
  return static_cast<uint64_t>(status.st_blocks) * 512;
}

TEST_CASE("a volume goes with its data from one VM to the next", "[e2e][volume]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("one", {"--volume", "data=64M:/srv/data", "--disk", "raw=8M"});
  ember.Exec("one", {"echo kept > /srv/data/file; sync"});
  CHECK(ember.Exec("one", {"cat /sys/block/vdb/serial; echo; cat /sys/block/vdc/serial"}) ==
        "raw\ndata");
  const auto inspected = ember.Json({"vm", "inspect", "one"});
  CHECK(inspected["volumes"][1]["mount_path"] == "/srv/data");
  CHECK(ember.Ember({"volume", "delete", "data"}).exit.code == 5);
  ember.EmberOk({"vm", "delete", "one", "--force"});

  ember.CreateVm("two", {"--volume", "data:/mnt/elsewhere:ro"});
  CHECK(ember.Exec("two", {"cat", "/mnt/elsewhere/file"}) == "kept\n");
  const ToolResult write = ember.Ember({"exec", "two", "--", "touch", "/mnt/elsewhere/more"});
  CHECK(write.exit.code != 0);
  CHECK(write.err.find("Read-only") != std::string::npos);
  ember.EmberOk({"vm", "delete", "two", "--force"});
  ember.EmberOk({"volume", "delete", "data"});
  ember.EmberOk({"volume", "delete", "raw"});
  CHECK(std::filesystem::is_empty(ember.state_dir() / "volumes"));
}

TEST_CASE("a volume is mounted before the guest's init runs", "[e2e][volume]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web", {"--volume", "data=64M:/srv/data", "--boot-args", "init=/root/init"});
  // Not there yet at the first boot, which takes another.
  ember.Exec("web",
             {"echo early > /srv/data/file; printf '#!/bin/sh\\ncp /srv/data/file /root/seen\\n"
              "exec sleep 1000000\\n' > /root/init; chmod 755 /root/init; sync"});
  ember.EmberOk({"vm", "stop", "web"});
  ember.EmberOk({"vm", "start", "web"});
  // The agent may answer before that init has come so far.
  CHECK(ember.Exec("web", {"for i in $(seq 300); do [ -s /root/seen ] && break; sleep 0.1; done; "
                           "cat /root/seen"}) == "early\n");
}

TEST_CASE("a volume that can't be mounted does not keep a guest from booting", "[e2e][volume]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.EmberOk({"volume", "create", "blank", "--size", "8M", "--fs", "none"});
  ember.CreateVm("web", {"--volume", "blank:/srv"});
  CHECK(ember.Exec("web", {"echo up"}) == "up\n");
  CHECK(ember.EmberOk({"vm", "console", "web"}).find("a volume is not mounted") !=
        std::string::npos);
}

TEST_CASE("df in a running VM sees that its disk has grown", "[e2e][resize]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web", {"--disk-size", "1G"});
  ember.EmberOk({"vm", "resize", "web", "--disk-size", "3G"});
  ember.Exec("web", {"test $(df -k / | tail -n 1 | awk '{print $2}') -gt 2900000"});
  CHECK(ember.Ember({"vm", "resize", "web", "--disk-size", "2G"}).exit.code != 0);
  ember.EmberOk({"vm", "stop", "web"});
  ember.EmberOk({"vm", "resize", "web", "--disk-size", "4G"});
  ember.EmberOk({"vm", "start", "web"});
  // It grows in the background, after the agent is ready.
  ember.Exec("web", {"for i in $(seq 100); do [ $(df -k / | tail -n 1 | awk '{print $2}') -gt "
                     "3900000 ] && exit 0; sleep 0.1; done; df -k /; exit 1"});
}

TEST_CASE("a disk knows whose it is", "[e2e][identity]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web");
  const std::string id = ember.Json({"vm", "inspect", "web"})["id"];
  // It is written in the background, behind the host keys.
  CHECK(ember.Exec("web", {"for i in $(seq 100); do [ -s /var/lib/ember/instance-id ] && break; "
                           "sleep 0.1; done; cat /var/lib/ember/instance-id"}) == id + "\n");
  CHECK(ember.Exec("web", {"cat", "/etc/hostname"}) == "web\n");
}

TEST_CASE("what a guest discards is given back to the host", "[e2e][volume]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web", {"--volume", "data=256M:/srv/data"});
  const auto file = ember.state_dir() / "volumes" / "data.img";
  constexpr uint64_t kMuch = 64 << 20;
  ember.Exec("web", {"dd if=/dev/urandom of=/srv/data/big bs=1M count=64 && sync"});
  const uint64_t full = Taken(file);
  CHECK(full > kMuch);
  ember.Exec("web", {"rm /srv/data/big && sync && fstrim /srv/data"});
  CHECK(Taken(file) + kMuch / 2 < full);
}

}  // namespace
}  // namespace ember::testing
