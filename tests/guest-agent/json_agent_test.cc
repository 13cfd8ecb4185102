// The operations that look after the guest's own agent process, and at the guest as a whole.
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/guest-agent/json_client.h"

using namespace ember;
using namespace ember::testing;
using nlohmann::json;

#define REQUIRE_ROOT() \
  if (geteuid() != 0) EMBER_SKIP("namespaces of its own need root")

namespace {

// An agent that sees no processes and no scratch files but its own.
struct LonelyAgent {
  AgentProcess agent{World::kOwn};
  JsonClient client{agent};

  void Put(std::string_view name, std::string_view content) const {
    REQUIRE_OK(WriteFileAtomically(agent.directory() / name, content, 0600));
  }
  // Starts a shell in the background with further words in its command line; its pid, once it has
  // done what `prepare` says and waits. It starts no others: until they are executed they look the
  // same.
  pid_t Start(const std::string& words, const std::string& prepare = ":") {
    const std::string script =
        prepare +
        "; mkfifo /tmp/fifo-$$; echo > /tmp/sleeps-$$; while :; do read x; done <> /tmp/fifo-$$";
    const std::string pid =
        client.Shell("sh -c '" + script + "' " + words + " >/dev/null 2>&1 & printf $!");
    CHECK(
        Eventually([&] { return std::filesystem::exists(agent.directory() / ("sleeps-" + pid)); }));
    return std::stoi(pid);
  }
  bool Runs(pid_t pid) {
    return client.Shell("kill -0 " + std::to_string(pid) + " 2>/dev/null && echo yes; true") ==
           "yes\n";
  }
  json Reap() { return client.Call({{"op", "agent_reap"}}); }
  json Status() { return client.Call({{"op", "agent_status"}}); }
};

}  // namespace

TEST_CASE("agent_status of a guest without an agent has every field", "[agent][json][status]") {
  REQUIRE_ROOT();
  LonelyAgent lonely;
  lonely.Put("thermite-task-id", "task-1");
  CHECK(lonely.Status() == json({{"running", false},
                                 {"alive", false},
                                 {"pid", nullptr},
                                 {"task_id", nullptr},
                                 {"rss_kb", 0},
                                 {"stream_offset", 0},
                                 {"result_mtime", 0}}));
}

TEST_CASE("agent_status finds the entrypoint, its task and its memory", "[agent][json][status]") {
  REQUIRE_ROOT();
  LonelyAgent lonely;
  lonely.Put("thermite-task-id", " task-1 \r\n\n");
  const pid_t pid = lonely.Start("/opt/thermite-entrypoint.sh");
  const json status = lonely.Status();
  CHECK(status["running"] == true);
  CHECK(status["alive"] == true);
  CHECK(status["pid"] == pid);
  CHECK(status["task_id"] == "task-1");
  CHECK(status["rss_kb"] > 0);
}

TEST_CASE("agent_status tells the stream's size and the result's time", "[agent][json][status]") {
  REQUIRE_ROOT();
  LonelyAgent lonely;
  lonely.Put("agent-output.jsonl", "{}\n{}\n");
  lonely.Put("thermite-result.json", "{}");
  const timespec times[2] = {{1'600'000'000, 0}, {1'600'000'123, 5}};
  const std::string result = lonely.agent.directory() / "thermite-result.json";
  REQUIRE(utimensat(AT_FDCWD, result.c_str(), times, 0) == 0);
  const json status = lonely.Status();
  CHECK(status["stream_offset"] == 6);
  CHECK(status["result_mtime"] == 1'600'000'123);
}

TEST_CASE("agent_status has no task id where the file is none", "[agent][json][status]") {
  REQUIRE_ROOT();
  LonelyAgent lonely;
  lonely.Start("thermite-entrypoint");
  CHECK(lonely.Status()["task_id"] == nullptr);
  const std::string task_id = lonely.agent.directory() / "thermite-task-id";
  REQUIRE(mkfifo(task_id.c_str(), 0600) == 0);
  CHECK(lonely.Status()["task_id"] == nullptr);
  REQUIRE(unlink(task_id.c_str()) == 0);
  lonely.Put("thermite-task-id", " \n");
  CHECK(lonely.Status()["task_id"] == nullptr);
}

TEST_CASE("agent_reap with nothing to reap is a success", "[agent][json][reap]") {
  REQUIRE_ROOT();
  LonelyAgent lonely;
  CHECK(lonely.Reap() == json({{"killed_pids", json::array()}, {"process_count", 0}}));
}

TEST_CASE("agent_reap ends what is called so and has a model, and nothing else",
          "[agent][json][reap]") {
  REQUIRE_ROOT();
  LonelyAgent lonely;
  const pid_t by_path = lonely.Start("/usr/bin/claude --model opus");
  const pid_t by_name = lonely.Start("claude -p --model opus");
  const std::vector<pid_t> others = {
      lonely.Start("/usr/bin/claude --print"), lonely.Start("/usr/bin/claudette --model opus"),
      lonely.Start("/usr/bin/claude/x --model opus"), lonely.Start("/usr/bin/claude --model=opus")};
  const json reply = lonely.Reap();
  CHECK(reply == json({{"killed_pids", {by_path, by_name}}, {"process_count", 2}}));
  CHECK_FALSE(lonely.Runs(by_path));
  CHECK_FALSE(lonely.Runs(by_name));
  for (const pid_t other : others) CHECK(lonely.Runs(other));
}

TEST_CASE("agent_reap kills what ignores its request to end", "[agent][json][reap]") {
  REQUIRE_ROOT();
  LonelyAgent lonely;
  const pid_t stubborn = lonely.Start("claude --model opus", "trap \"\" TERM");
  CHECK(lonely.Reap()["killed_pids"] == json({stubborn}));
  CHECK_FALSE(lonely.Runs(stubborn));
}

TEST_CASE("a reap that waits holds up no other connection", "[agent][json][reap]") {
  REQUIRE_ROOT();
  LonelyAgent lonely;
  const pid_t stubborn = lonely.Start("claude --model opus", "trap \"echo > /tmp/asked\" TERM");
  JsonClient patient(lonely.agent);
  patient.Send({{"op", "agent_reap"}});
  CHECK(Eventually([&] { return std::filesystem::exists(lonely.agent.directory() / "asked"); }));
  CHECK(lonely.Runs(stubborn));
  CHECK(patient.Receive()["killed_pids"] == json({stubborn}));
}

TEST_CASE("vm_stats has every number, within its bounds", "[agent][json][stats]") {
  AgentProcess agent;
  const json stats = JsonClient(agent).Call({{"op", "vm_stats"}});
  CHECK(stats.size() == 6);
  CHECK(stats["cpu_pct"].is_number_float());
  CHECK(stats["cpu_pct"] >= 0.0);
  CHECK(stats["cpu_pct"] <= 100.0);
  CHECK(stats["memory_total_mb"] > 0);
  CHECK(stats["memory_used_mb"] <= stats["memory_total_mb"]);
  CHECK(stats["disk_used_gb"] > 0.0);
  CHECK(stats["net_rx_bytes"].is_number_unsigned());
  CHECK(stats["net_tx_bytes"].is_number_unsigned());
}

TEST_CASE("vm_stats answers where /proc can't be read", "[agent][json][stats]") {
  REQUIRE_ROOT();
  LonelyAgent lonely;
  lonely.client.Shell("mount -t tmpfs none /proc");
  const json stats = lonely.client.Call({{"op", "vm_stats"}});
  CHECK(stats["cpu_pct"] == 0.0);
  CHECK(stats["memory_total_mb"] == 0);
  CHECK(stats["net_rx_bytes"] == 0);
}
