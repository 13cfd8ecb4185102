#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <csignal>

#include "tests/guest-agent/json_client.h"
#include "tests/support/text.h"

using namespace ember;
using namespace ember::testing;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

// An agent, a client, and a workspace "ws" with a file in it.
struct WorkspaceContext {
  AgentProcess agent;
  JsonClient client{agent};
  TempDir folder;
  fs::path ws = folder / "ws";

  WorkspaceContext() {
    fs::create_directory(ws);
    Put("ws/file", "content");
  }
  void Put(std::string_view name, std::string_view content) const {
    REQUIRE_OK(WriteFileAtomically(folder / name, content, 0600));
  }
  json Reset(const fs::path& path) {
    return client.Call({{"op", "workspace_reset"}, {"path", path.native()}});
  }
  std::string Refusal(const std::string& path) {
    return client.Refusal({{"op", "workspace_reset"}, {"path", path}});
  }
  json Clean(const json& globs) { return client.Call({{"op", "fs_clean"}, {"globs", globs}}); }
};

// A tmpfs for the time of a test; only for root.
class TmpfsAt {
 public:
  explicit TmpfsAt(fs::path path) : path_(std::move(path)) {
    fs::create_directories(path_);
    REQUIRE(mount("none", path_.c_str(), "tmpfs", 0, "size=1m") == 0);
  }
  ~TmpfsAt() { umount2(path_.c_str(), MNT_DETACH); }
  TmpfsAt(const TmpfsAt&) = delete;
  TmpfsAt& operator=(const TmpfsAt&) = delete;

 private:
  const fs::path path_;
};

}  // namespace

TEST_CASE("workspace_reset removes a tree and counts every entry", "[agent][json][reset]") {
  WorkspaceContext context;
  fs::create_directories(context.ws / "a/b/c");
  fs::create_symlink("/etc", context.ws / "link");
  REQUIRE(mkfifo((context.ws / "a/fifo").c_str(), 0600) == 0);
  const json reply = context.Reset(context.ws);
  CHECK(reply["ok"] == true);
  CHECK(reply["removed_count"] == 7);
  CHECK(reply["duration_ms"] >= 0);
  CHECK(reply.size() == 3);
  CHECK_FALSE(fs::exists(context.ws));
  CHECK(fs::exists("/etc/passwd"));
}

TEST_CASE("workspace_reset of what is not there is a success with 0", "[agent][json][reset]") {
  WorkspaceContext context;
  CHECK(context.Reset(context.folder / "none")["removed_count"] == 0);
  CHECK(context.Reset(context.folder / "none/below/it")["removed_count"] == 0);
  CHECK(context.Reset(context.folder / "none")["ok"] == true);
}

TEST_CASE("workspace_reset of a single file removes it", "[agent][json][reset]") {
  WorkspaceContext context;
  CHECK(context.Reset(context.ws / "file")["removed_count"] == 1);
  CHECK(fs::is_empty(context.ws));
}

TEST_CASE("workspace_reset refuses every path outside of its roots", "[agent][json][reset]") {
  WorkspaceContext context;
  for (const char* path :
       {"/tmp", "/tmp/", "/tmp/.", "/tmp//", "//tmp", "/tmpfoo", "/tmpfoo/x", "/home/ubuntu",
        "/home/ubuntu/", "/home/ubuntuevil", "/home/ubuntuevil/x", "/home", "/", "/etc/passwd"}) {
    INFO(path);
    CHECK(Contains(context.Refusal(path), "is not strictly under /home/ubuntu/ or /tmp/"));
  }
  CHECK(Contains(context.Refusal("tmp/x"), "is not an absolute path"));
  CHECK(Contains(context.Refusal("ws"), "is not an absolute path"));
  for (const std::string path : {"/tmp/../etc", "/tmp/x/..", "/tmp/..", "/tmp/a/../../etc/x"}) {
    INFO(path);
    CHECK(context.Refusal(path) == "workspace_reset: '" + path + "' must not have '..' in it");
  }
}

TEST_CASE("workspace_reset takes names that only look like a way out", "[agent][json][reset]") {
  WorkspaceContext context;
  context.Put("..x", "1");
  context.Put("x..", "2");
  CHECK(context.Reset(context.folder / "..x")["removed_count"] == 1);
  CHECK(context.Reset(context.folder.path().native() + "//./x..")["removed_count"] == 1);
}

TEST_CASE("workspace_reset says which field is missing or wrong", "[agent][json][reset]") {
  WorkspaceContext context;
  CHECK(context.client.Refusal({{"op", "workspace_reset"}}) == "missing 'path' field");
  CHECK(context.client.Refusal({{"op", "workspace_reset"}, {"path", {1}}}) ==
        "workspace_reset: 'path' must be a string");
}

TEST_CASE("workspace_reset refuses a link that leads out", "[agent][json][reset]") {
  WorkspaceContext context;
  fs::create_symlink("/etc", context.folder / "out");
  fs::create_symlink("/tmp", context.folder / "root");
  fs::create_symlink("/nowhere/at/all", context.folder / "dangling");
  for (const std::string path : {"out", "out/apt", "root", "dangling"}) {
    INFO(path);
    CHECK(Contains(context.Refusal(context.folder / path), "leads out of its allowed folder"));
  }
  CHECK(fs::exists("/etc/passwd"));
  CHECK(fs::is_symlink(context.folder / "out"));
}

TEST_CASE("workspace_reset of a link within its root removes only the link",
          "[agent][json][reset]") {
  WorkspaceContext context;
  fs::create_symlink(context.ws, context.folder / "link");
  CHECK(context.Reset(context.folder / "link")["removed_count"] == 1);
  CHECK(fs::exists(context.ws / "file"));
  fs::create_symlink(context.ws, context.folder / "link");
  CHECK(context.Reset(context.folder / "link" / "file")["removed_count"] == 1);
  CHECK(fs::is_empty(context.ws));
}

TEST_CASE("workspace_reset kills who works there, and nobody else", "[agent][json][reset]") {
  WorkspaceContext context;
  fs::create_directories(context.ws / "deep");
  fs::create_directories(context.folder / "ws-not");
  const auto start = [&context](const fs::path& folder) {
    return std::stoi(
        context.client.Shell("cd " + folder.native() + " && sleep 1000 >/dev/null 2>&1 & echo $!"));
  };
  const auto cwd_is = [](pid_t pid, const fs::path& folder) {
    return Eventually([&] {
      std::error_code ignored;
      return fs::read_symlink(fmt::format("/proc/{}/cwd", pid), ignored) == folder;
    });
  };
  const pid_t at = start(context.ws);
  const pid_t under = start(context.ws / "deep");
  const pid_t beside = start(context.folder / "ws-not");
  REQUIRE(cwd_is(at, context.ws));
  REQUIRE(cwd_is(under, context.ws / "deep"));
  REQUIRE(cwd_is(beside, context.folder / "ws-not"));
  CHECK(context.Reset(context.ws)["ok"] == true);
  CHECK(Eventually([&] { return !IsAlive(at) && !IsAlive(under); }));
  CHECK(IsAlive(beside));
  kill(beside, SIGKILL);
}

TEST_CASE("workspace_reset does not kill the agent that works there", "[agent][json][reset]") {
  if (geteuid() != 0) EMBER_SKIP("namespaces of its own need root");
  AgentProcess agent(World::kOwn);
  JsonClient client(agent);
  client.Shell("mkdir -p /home/ubuntu/ws/x");
  // Process 1 of its world is a shell, whose working directory is ours; the agent's is the same.
  const json reply = client.Call({{"op", "workspace_reset"}, {"path", "/home/ubuntu/ws"}});
  CHECK(reply["removed_count"] == 2);
  CHECK(client.Shell("ls -A /home/ubuntu").empty());
  CHECK(client.Call({{"op", "ping"}})["ok"] == true);
}

TEST_CASE("workspace_reset unmounts what is there, one on the other and below",
          "[agent][json][reset]") {
  if (geteuid() != 0) EMBER_SKIP("mounting needs root");
  WorkspaceContext context;
  const TmpfsAt first(context.ws / "mnt a");
  const TmpfsAt second(context.ws / "mnt a");
  const TmpfsAt below(context.ws / "mnt a/below");
  const TmpfsAt beside(context.folder / "ws-beside");
  context.Put("ws-beside/kept", "x");
  const int busy = open((context.ws / "mnt a/below").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const UniqueFd user(busy);
  const json reply = context.Reset(context.ws);
  INFO(reply.dump());
  CHECK(reply["ok"] == true);
  CHECK_FALSE(fs::exists(context.ws));
  CHECK(fs::exists(context.folder / "ws-beside/kept"));
  CHECK_FALSE(Contains(ValueOf(ReadFile("/proc/self/mountinfo")), context.ws.native() + "/mnt"));
}

TEST_CASE("workspace_reset of a mount point unmounts and removes it", "[agent][json][reset]") {
  if (geteuid() != 0) EMBER_SKIP("mounting needs root");
  WorkspaceContext context;
  const TmpfsAt over(context.ws);
  context.Put("ws/upper", "x");
  CHECK(context.Reset(context.ws)["removed_count"] == 2);  // what was hidden by the mount
  CHECK_FALSE(fs::exists(context.ws));
}

TEST_CASE("workspace_reset removes trees of any depth", "[agent][json][reset]") {
  WorkspaceContext context;
  constexpr int kDepth = 1500;  // more than an agent may have descriptors
  UniqueFd folder(open(context.ws.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (int i = 0; i < kDepth; ++i) {
    REQUIRE(mkdirat(folder.get(), "d", 0700) == 0);
    folder.Reset(openat(folder.get(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    REQUIRE(folder.valid());
  }
  CHECK(context.Reset(context.ws)["removed_count"] == kDepth + 2);
  CHECK_FALSE(fs::exists(context.ws));
}

TEST_CASE("workspace_reset and its kin get no further by a link that comes and goes",
          "[agent][json][reset]") {
  WorkspaceContext context;
  fs::create_directories(context.folder / "victim/inner");
  context.Put("victim/inner/kept", "x");
  fs::create_directories(context.folder / "swap");
  // A program of the guest that swaps a folder on the path for a link, again and again.
  const fs::path stop = context.folder / "stop";
  JsonClient swapper(context.agent);
  swapper.Send(ExecRequest(fmt::format(
      "cd {} && ln -s victim other && while [ ! -e stop ]; do mv -T swap aside; mv -T other swap; "
      "mv -T swap other; mv -T aside swap; done",
      context.folder.path().native())));
  for (int i = 0; i < 200; ++i) (void)context.Reset(context.folder / "swap/x/y");
  context.Put("stop", "");
  (void)swapper.Receive();
  CHECK(fs::exists(context.folder / "victim/inner/kept"));
}

TEST_CASE("fs_clean removes regular files under /tmp and names them", "[agent][json][clean]") {
  WorkspaceContext context;
  context.Put("task-1", "");
  context.Put("task-2", "");
  context.Put("other", "");
  fs::create_directory(context.folder / "task-dir");
  fs::create_symlink("other", context.folder / "task-link");
  const std::string base = context.folder.path().native();
  json reply = context.Clean({base + "/task-*"});
  REQUIRE(reply.size() == 1);
  std::sort(reply["removed"].begin(), reply["removed"].end());
  CHECK(reply["removed"] == json({base + "/task-1", base + "/task-2"}));
  CHECK(fs::exists(context.folder / "other"));
  CHECK(fs::exists(context.folder / "task-dir"));
  CHECK(fs::is_symlink(context.folder / "task-link"));
}

TEST_CASE("fs_clean matches within folders, but behind no link", "[agent][json][clean]") {
  WorkspaceContext context;
  fs::create_directories(context.folder / "a1");
  context.Put("a1/x.log", "");
  context.Put("a1/.x.log", "");
  fs::create_directory_symlink(context.ws, context.folder / "a2");
  context.Put("ws/x.log", "");
  const std::string base = context.folder.path().native();
  CHECK(context.Clean({base + "/a?/[x-z].lo*"})["removed"] == json({base + "/a1/x.log"}));
  CHECK(fs::exists(context.folder / "a1/.x.log"));
  CHECK(fs::exists(context.ws / "x.log"));
}

TEST_CASE("fs_clean passes over globs that are none of its", "[agent][json][clean]") {
  WorkspaceContext context;
  fs::create_directory_symlink("/etc", context.folder / "out");
  const std::string base = context.folder.path().native();
  const json globs = {"",
                      "relative*",
                      "/etc/host*",
                      "/tmp",
                      "/tmp/",
                      "/tmp/../etc/host*",
                      base + "/out/host*",
                      "/home/ubuntu/*",
                      "/",
                      base + "/ws/../ws/*",
                      "/tmpfoo/*",
                      base + "/[",
                      base + "/ws/file"};
  CHECK(context.Clean(globs)["removed"] == json({base + "/ws/file"}));
  CHECK(fs::exists("/etc/hostname"));
  CHECK(context.Clean(json::array())["removed"] == json::array());
}

TEST_CASE("fs_clean says which field is missing or wrong", "[agent][json][clean]") {
  WorkspaceContext context;
  CHECK(context.client.Refusal({{"op", "fs_clean"}}) == "missing 'globs' field");
  for (const json& globs : {json("x"), json({1}), json::object(), json(true)}) {
    CHECK(context.client.Refusal({{"op", "fs_clean"}, {"globs", globs}}) ==
          "fs_clean: 'globs' must be an array of strings");
  }
}
