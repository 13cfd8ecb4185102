// The public bridge socket and the device behind it, with a real guest at the far end.
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "base/cancellation.h"
#include "base/file.h"
#include "base/socket.h"
#include "tests/e2e/installation.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {
namespace {

#define REQUIRE_PREPARED() \
  if (!PreparedState().has_value()) EMBER_SKIP("EMBER_TEST_STATE is not set: run ./tests/run")

const Cancellation Limit() { return Cancellation::After(absl::Seconds(30)); }

std::string ReadLine(int fd) {
  std::string line;
  for (char c = 0; c != '\n'; line.push_back(c)) REQUIRE_OK(ReadFully(fd, &c, 1, Limit()));
  return line;
}

std::string Ask(int fd, const std::string& request) {
  REQUIRE_OK(WriteFully(fd, request, Limit()));
  return ReadLine(fd);
}

TEST_CASE("vsock.sock answers JSON lines with and without a handshake", "[e2e][vsock]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web");
  const std::filesystem::path path = ember.VmDir("web") / "vsock.sock";

  struct stat info;
  REQUIRE(stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);

  UniqueFd plain = ValueOf(ConnectUnix(path));
  CHECK(Ask(plain.get(), "{\"op\":\"ping\"}\n").starts_with("{\"ok\":true,\"uptime_seconds\":"));
  const auto ran = nlohmann::json::parse(Ask(
      plain.get(),
      "{\"op\":\"exec\",\"command\":\"echo $A; echo no >&2; exit 4\",\"env\":{\"A\":\"b\"}}\n"));
  CHECK(ran == nlohmann::json({{"exit_code", 4}, {"stdout", "b\n"}, {"stderr", "no\n"}}));

  UniqueFd shaken = ValueOf(ConnectUnix(path));
  const std::string ok = Ask(shaken.get(), "CONNECT 1024\n");
  CHECK(ok.starts_with("OK "));
  CHECK(Ask(shaken.get(), "{\"op\":\"ping\"}\n").starts_with("{\"ok\":true"));
}

// Every operation once, on one connection; what is written is removed again.
void AskEverything(int client) {
  const auto ask = [client](const nlohmann::json& request) {
    const auto reply = nlohmann::json::parse(Ask(client, request.dump() + "\n"));
    INFO(request.dump() << ": " << reply.dump());
    REQUIRE_FALSE(reply.contains("error"));
    return reply;
  };
  CHECK(ask({{"op", "ping"}})["ok"] == true);
  CHECK(ask({{"op", "exec"}, {"command", "mkdir -p /tmp/ws/sub"}})["exit_code"] == 0);
  const nlohmann::json file = {{"path", "/tmp/ws/sub/file"}, {"data", "aGVsbG8K"}};
  auto request = file;
  request["op"] = "write_file";
  CHECK(ask(request)["ok"] == true);
  CHECK(ask({{"op", "read_file"}, {"path", file["path"]}})["data"] == file["data"]);
  request["path"] = "/tmp/thermite-task-id";
  CHECK(ask(request)["ok"] == true);

  CHECK(ask({{"op", "agent_status"}}).size() == 7);
  CHECK(ask({{"op", "agent_reap"}})["process_count"] == 0);
  CHECK(ask({{"op", "vm_stats"}})["memory_total_mb"] > 0);

  nlohmann::json checkpoint = {{"op", "task_checkpoint"}, {"workspace", "/tmp/ws"}};
  const auto id = ask(checkpoint)["checkpoint_id"];
  CHECK(ask({{"op", "fs_clean"}, {"globs", {"/tmp/thermite-*"}}})["removed"] ==
        nlohmann::json({"/tmp/thermite-task-id"}));
  CHECK(ask({{"op", "workspace_reset"}, {"path", "/tmp/ws"}})["removed_count"] == 3);
  checkpoint["op"] = "task_restore";
  checkpoint["checkpoint_id"] = id;
  CHECK(ask(checkpoint)["restored_count"] == 3);
  CHECK(
      ask({{"op", "exec"}, {"command", "cat /tmp/ws/sub/file /tmp/thermite-task-id"}})["stdout"] ==
      "hello\nhello\n");
  CHECK(ask({{"op", "workspace_reset"}, {"path", "/tmp/ws"}})["removed_count"] == 3);
}

TEST_CASE("vsock.sock carries every operation, with and without a handshake", "[e2e][vsock]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web");
  const std::filesystem::path path = ember.VmDir("web") / "vsock.sock";
  const UniqueFd plain = ValueOf(ConnectUnix(path));
  AskEverything(plain.get());
  const UniqueFd shaken = ValueOf(ConnectUnix(path));
  CHECK(Ask(shaken.get(), "CONNECT 1024\n").starts_with("OK "));
  AskEverything(shaken.get());
}

TEST_CASE("a client may come before the guest is up", "[e2e][vsock]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web", {"--wait", "0"});
  UniqueFd early = ValueOf(ConnectUnix(ember.VmDir("web") / "vsock.sock"));
  CHECK(Ask(early.get(), "{\"op\":\"ping\"}\n").starts_with("{\"ok\":true"));
}

TEST_CASE("a half-closed client gets every byte that is still to come", "[e2e][vsock]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web");
  UniqueFd client = ValueOf(ConnectUnix(ember.VmDir("web") / "vsock.sock"));
  REQUIRE_OK(WriteFully(client.get(), "{\"op\":\"exec\",\"command\":\"sleep 0.3; seq 100000\"}\n",
                        Limit()));
  REQUIRE(shutdown(client.get(), SHUT_WR) == 0);
  const std::string line = ReadLine(client.get());
  const auto answer = nlohmann::json::parse(line);
  CHECK(answer["stdout"].get<std::string>().size() == 588895);
}

TEST_CASE("the death of the device's worker ends connections, not the VM's reachability",
          "[e2e][vsock]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web");
  for (int round = 0; round < 3; ++round) {
    // The worker is the child of the process that emberhostd started.
    pid_t worker = 0;
    for (const ProcessIdentity& process : ember.Tagged()) {
      const std::string children =
          ReadFile(fmt::format("/proc/{}/task/{}/children", process.pid, process.pid)).value_or("");
      const std::string name = ReadFile(fmt::format("/proc/{}/comm", process.pid)).value_or("");
      if (name.starts_with("ember-vsock") && !children.empty()) worker = std::stoi(children);
    }
    REQUIRE(worker != 0);
    REQUIRE(kill(worker, SIGKILL) == 0);
    CHECK(ember.Exec("web", {"echo", "still here"}) == "still here\n");
  }
  CHECK(ember.Json({"vm", "inspect", "web"})["status"] == "running");
}

}  // namespace
}  // namespace ember::testing
