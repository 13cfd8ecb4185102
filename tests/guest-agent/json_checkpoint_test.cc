#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <array>
#include <memory>
#include <regex>
#include <vector>

#include "tests/guest-agent/json_client.h"
#include "tests/support/loop_filesystem.h"
#include "tests/support/text.h"

using namespace ember;
using namespace ember::testing;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

// An agent, a workspace and a root for checkpoints, both below `base`.
struct CheckpointContext {
  AgentProcess agent;
  JsonClient client{agent};
  TempDir folder;
  fs::path base = folder.path();

  explicit CheckpointContext(fs::path root = {}) {
    if (!root.empty()) base = std::move(root);
    fs::create_directory(ws());
    Put("ws/file", "content");
  }
  fs::path ws() const { return base / "ws"; }
  fs::path store() const { return base / "store"; }
  void Put(std::string_view name, std::string_view content) const {
    REQUIRE_OK(WriteFileAtomically(base / name, content, 0640));
  }
  std::string Get(std::string_view name) const { return ValueOf(ReadFile(base / name)); }
  json Request(const std::string& op) const {
    return {{"op", op},
            {"workspace", ws().native()},
            {"checkpoint_root", store().native()},
            {"tmp_globs", {folder.path().native() + "/scratch-*"}}};
  }
  std::string Checkpoint() {
    const json reply = client.Call(Request("task_checkpoint"));
    INFO(reply.dump());
    REQUIRE(reply.contains("checkpoint_id"));
    return reply["checkpoint_id"];
  }
  json RestoreRequest(const std::string& id) const {
    json request = Request("task_restore");
    request["checkpoint_id"] = id;
    return request;
  }
  json Restore(const std::string& id) {
    const json reply = client.Call(RestoreRequest(id));
    INFO(reply.dump());
    REQUIRE(reply["ok"] == true);
    return reply["restored_count"];
  }
  json ManifestOf(const std::string& id) const {
    return json::parse(ValueOf(ReadFile(store() / id / "manifest.json")));
  }
  // What is in the store and beside the workspace but does not belong there.
  size_t Leftovers() const {
    size_t count = 0;
    for (const fs::path& dir : {base, store(), folder.path()}) {
      if (!fs::exists(dir)) continue;
      for (const auto& entry : fs::directory_iterator(dir)) {
        const std::string name = entry.path().filename();
        count += name.starts_with('.') && name != ".lock";
      }
    }
    return count;
  }
};

// A workspace with everything that a tree may hold, changed and restored, is as it was.
void RestoresEverything(CheckpointContext& context) {
  fs::create_directories(context.ws() / "dir/deep");
  context.Put("ws/dir/deep/script", "#!/bin/sh\n");
  REQUIRE(chmod((context.ws() / "dir/deep/script").c_str(), 04755) == 0);
  REQUIRE(chmod((context.ws() / "dir").c_str(), 01777) == 0);
  fs::create_symlink("../away", context.ws() / "dir/link");
  fs::create_hard_link(context.ws() / "file", context.ws() / "hard");
  context.Put("ws/empty", "");
  const timespec times[2] = {{1'500'000'000, 7}, {1'500'000'001, 9}};
  REQUIRE(utimensat(AT_FDCWD, (context.ws() / "dir").c_str(), times, 0) == 0);
  if (geteuid() == 0) REQUIRE(chown((context.ws() / "file").c_str(), 1234, 60) == 0);

  const std::string id = context.Checkpoint();
  fs::remove_all(context.ws() / "dir");
  context.Put("ws/file", "changed");
  context.Put("ws/more", "more");
  CHECK(context.Restore(id) == 7);

  CHECK(context.Get("ws/file") == "content");
  CHECK(context.Get("ws/dir/deep/script") == "#!/bin/sh\n");
  CHECK_FALSE(fs::exists(context.ws() / "more"));
  CHECK(fs::read_symlink(context.ws() / "dir/link") == "../away");
  CHECK(fs::hard_link_count(context.ws() / "hard") == 2);
  struct stat info;
  REQUIRE(stat((context.ws() / "dir/deep/script").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 04755);
  REQUIRE(stat((context.ws() / "dir").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 01777);
  CHECK(info.st_mtim.tv_sec == 1'500'000'001);
  CHECK(info.st_mtim.tv_nsec == 9);
  REQUIRE(stat((context.ws() / "file").c_str(), &info) == 0);
  if (geteuid() == 0) CHECK((info.st_uid == 1234 && info.st_gid == 60));
  CHECK(context.Leftovers() == 0);
}

// The same where files share their content with the checkpoint.
void RestoresClones(const fs::path& root) {
  CheckpointContext context(root);
  RestoresEverything(context);
  REQUIRE(setxattr((context.ws() / "file").c_str(), "user.color", "red", 3, 0) == 0);
  const std::string id = context.Checkpoint();
  CHECK(context.ManifestOf(id)["workspace_method"] == "reflink");
  CHECK_FALSE(fs::exists(context.store() / id / "workspace.tar.gz"));
  context.Restore(id);
  std::array<char, 8> value;
  CHECK(getxattr((context.ws() / "file").c_str(), "user.color", value.data(), value.size()) == 3);
}

}  // namespace

TEST_CASE("task_checkpoint names itself by time and chance", "[agent][json][checkpoint]") {
  CheckpointContext context;
  const std::string id = context.Checkpoint();
  CHECK(std::regex_match(id, std::regex("cp-[0-9]{10,}-[0-9a-f]{8}")));
  CHECK(context.Checkpoint() != id);
  CHECK(context.Leftovers() == 0);
}

TEST_CASE("a workspace comes back as it was where files can't be cloned",
          "[agent][json][checkpoint]") {
  if (geteuid() != 0) EMBER_SKIP("a file system of its own needs root");
  LoopFilesystem ext4("ext4", 64 << 20);
  if (!ext4.mounted()) EMBER_SKIP(ext4.why_not());
  CheckpointContext context(ext4.root());
  RestoresEverything(context);
  const fs::path checkpoint = context.store() / context.Checkpoint();
  CHECK(fs::exists(checkpoint / "workspace.tar.gz"));
  CHECK_FALSE(fs::exists(checkpoint / "workspace"));
  CHECK(context.ManifestOf(checkpoint.filename())["workspace_method"] == "tar.gz");
}

TEST_CASE("a workspace comes back as it was on btrfs, cloned", "[agent][json][checkpoint]") {
  if (geteuid() != 0) EMBER_SKIP("a file system of its own needs root");
  LoopFilesystem btrfs("btrfs", 128 << 20);
  if (!btrfs.mounted()) EMBER_SKIP(btrfs.why_not());
  RestoresClones(btrfs.root());
}

TEST_CASE("a workspace comes back as it was on XFS, cloned", "[agent][json][checkpoint]") {
  if (geteuid() != 0) EMBER_SKIP("a file system of its own needs root");
  LoopFilesystem xfs("xfs", 320 << 20);
  if (!xfs.mounted()) EMBER_SKIP(xfs.why_not());
  RestoresClones(xfs.root());
}

TEST_CASE("the manifest tells name, method and scratch files", "[agent][json][checkpoint]") {
  CheckpointContext context;
  context.Put("scratch-1", "one");
  fs::create_symlink("scratch-1", context.base / "scratch-link");
  json request = context.Request("task_checkpoint");
  request["name"] = "before \"lunch\"";
  const std::string id = context.client.Call(request)["checkpoint_id"];
  const json manifest = context.ManifestOf(id);
  CHECK(manifest["name"] == "before \"lunch\"");
  CHECK(manifest["tmp_files"] == json({context.base / "scratch-1"}));
  CHECK(manifest.size() == 3);
  CHECK(context.ManifestOf(context.Checkpoint())["name"] == nullptr);
}

TEST_CASE("scratch files go back to what they were", "[agent][json][checkpoint]") {
  CheckpointContext context;
  context.Put("scratch-1", "one");
  context.Put("scratch-2", "two");
  REQUIRE(chmod((context.base / "scratch-2").c_str(), 0600) == 0);
  const std::string id = context.Checkpoint();
  context.Put("scratch-1", "changed");
  fs::remove(context.base / "scratch-2");
  context.Put("scratch-3", "new");
  context.Put("unrelated", "kept");
  CHECK(context.Restore(id) == 3);
  CHECK(context.Get("scratch-1") == "one");
  CHECK(context.Get("scratch-2") == "two");
  struct stat info;
  REQUIRE(stat((context.base / "scratch-2").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0600);
  CHECK_FALSE(fs::exists(context.base / "scratch-3"));
  CHECK(context.Get("unrelated") == "kept");
  CHECK(context.Leftovers() == 0);
}

TEST_CASE("a checkpoint is restored where there is no workspace", "[agent][json][checkpoint]") {
  CheckpointContext context;
  const std::string id = context.Checkpoint();
  fs::remove_all(context.ws());
  CHECK(context.Restore(id) == 1);
  CHECK(context.Get("ws/file") == "content");
  CHECK(context.Restore(id) == 1);
}

TEST_CASE("the defaults are the workspace of ubuntu and the agent's own root",
          "[agent][json][checkpoint]") {
  if (geteuid() != 0) EMBER_SKIP("namespaces of its own need root");
  AgentProcess agent(World::kOwn);
  JsonClient client(agent);
  client.Shell(
      "mount -t tmpfs none /var/lib && mkdir /home/ubuntu/workspace && "
      "echo hello > /home/ubuntu/workspace/file && echo 7 > /tmp/thermite-task-id && "
      "echo {} > /tmp/agent-output.jsonl && echo x > /tmp/other");
  const json made = client.Call({{"op", "task_checkpoint"}});
  INFO(made.dump());
  const std::string id = made.at("checkpoint_id");
  const json manifest =
      json::parse(client.Shell("cat /var/lib/emberd/checkpoints/" + id + "/manifest.json"));
  CHECK(manifest["tmp_files"].size() == 2);
  client.Shell("rm -rf /home/ubuntu/workspace /tmp/thermite-task-id; echo y > /tmp/other");
  CHECK(client.Call({{"op", "task_restore"}, {"checkpoint_id", id}}) ==
        json({{"ok", true}, {"restored_count", 3}}));
  CHECK(client.Shell("cat /home/ubuntu/workspace/file /tmp/thermite-task-id /tmp/other") ==
        "hello\n7\ny\n");
  CHECK(client.Shell("stat -c %a /var/lib/emberd/checkpoints") == "700\n");
}

TEST_CASE("a checkpoint over the quota is refused and leaves nothing",
          "[agent][json][checkpoint]") {
  CheckpointContext context;
  std::string noise(100000, '\0');
  for (size_t i = 0; i < noise.size(); ++i) noise[i] = static_cast<char>(i * 2654435761U >> 13);
  context.Put("scratch-noise", noise);
  json request = context.Request("task_checkpoint");
  request["quota_bytes"] = 50000;
  const std::string error = context.client.Refusal(request);
  INFO(error);
  CHECK(std::regex_search(
      error,
      std::regex("^task_checkpoint: .*the checkpoints would take at least 100[0-9]{3} bytes, "
                 "over the quota of 50000$")));
  CHECK(context.Leftovers() == 0);
  // One fits, a second beside it does not.
  request["quota_bytes"] = 150000;
  CHECK(context.client.Call(request).contains("checkpoint_id"));
  CHECK(Contains(context.client.Refusal(request), "over the quota of 150000"));
}

TEST_CASE("leftovers of a crash are removed by the next checkpoint", "[agent][json][checkpoint]") {
  CheckpointContext context;
  fs::create_directories(context.store() / ".staging-cp-1-00000000/workspace");
  context.Put("store/.staging-cp-1-00000000/workspace/large", std::string(1000, 'x'));
  context.Checkpoint();
  CHECK(context.Leftovers() == 0);
}

TEST_CASE("task_checkpoint checks its paths as a reset does", "[agent][json][checkpoint]") {
  CheckpointContext context;
  fs::create_directory_symlink("/etc", context.base / "out");
  const auto refusal = [&context](const char* field, const json& value) {
    json request = context.Request("task_checkpoint");
    request[field] = value;
    return context.client.Refusal(request);
  };
  CHECK(Contains(refusal("workspace", "/etc"), "is not strictly under"));
  CHECK(Contains(refusal("workspace", "/tmp"), "is not strictly under"));
  CHECK(Contains(refusal("workspace", "/tmp/../etc"), "must not have '..'"));
  CHECK(Contains(refusal("workspace", context.base / "out"), "leads out"));
  CHECK(Contains(refusal("workspace", context.base / "none"), "No such file or directory"));
  CHECK(Contains(refusal("workspace", context.ws() / "file"), "Not a directory"));
  CHECK(Contains(refusal("checkpoint_root", "store"), "is not an absolute path"));
  CHECK(Contains(refusal("checkpoint_root", "/tmp/../x"), "must not have '..'"));
  CHECK(Contains(refusal("checkpoint_root", context.ws() / "store"), "lie within each other"));
  CHECK(Contains(refusal("checkpoint_root", context.base), "lie within each other"));
  CHECK_FALSE(fs::exists(context.store()));
}

TEST_CASE("checkpoint fields of a wrong type are named", "[agent][json][checkpoint]") {
  CheckpointContext context;
  const auto refusal = [&context](const char* field, const json& value) {
    json request = context.Request("task_checkpoint");
    request[field] = value;
    return context.client.Refusal(request);
  };
  CHECK(refusal("name", 5) == "task_checkpoint: 'name' must be a string");
  CHECK(refusal("workspace", 5) == "task_checkpoint: 'workspace' must be a string");
  CHECK(refusal("tmp_globs", "x") == "task_checkpoint: 'tmp_globs' must be an array of strings");
  for (const json& quota : {json(-1), json(1.5), json("1G")}) {
    CHECK(refusal("quota_bytes", quota) ==
          "task_checkpoint: 'quota_bytes' must be a whole number, 0 or more");
  }
}

TEST_CASE("an unknown checkpoint changes nothing", "[agent][json][restore]") {
  CheckpointContext context;
  context.Put("scratch-1", "one");
  CHECK(context.client.Refusal(context.RestoreRequest("cp-1-00000000")) ==
        "task_restore: checkpoint 'cp-1-00000000' does not exist");
  CHECK_FALSE(fs::exists(context.store()));
  context.Checkpoint();
  CHECK(
      Contains(context.client.Refusal(context.RestoreRequest("cp-1-00000000")), "does not exist"));
  CHECK(context.Get("ws/file") == "content");
  CHECK(context.Get("scratch-1") == "one");
}

TEST_CASE("a checkpoint id that is a path is refused", "[agent][json][restore]") {
  CheckpointContext context;
  context.Checkpoint();
  for (const std::string id :
       {"", ".", "..", "../ws", "a/b", "/etc", "a b", ".staging-x", "a..b"}) {
    INFO(id);
    CHECK(context.client.Refusal(context.RestoreRequest(id)) ==
          "task_restore: '" + id + "' is no checkpoint id");
  }
  CHECK(context.client.Refusal(context.Request("task_restore")) == "missing 'checkpoint_id' field");
}

TEST_CASE("a hostile manifest is refused before anything changes", "[agent][json][restore]") {
  CheckpointContext context;
  context.Put("scratch-1", "one");
  const std::string id = context.Checkpoint();
  context.Put("scratch-1", "live");
  context.Put("ws/file", "live");
  json manifest = context.ManifestOf(id);
  for (const std::string path : {"/etc/passwd", "/tmp/../etc/x", "relative", "/tmp"}) {
    manifest["tmp_files"] = {path};
    context.Put("store/" + id + "/manifest.json", manifest.dump());
    INFO(path);
    CHECK(context.client.Refusal(context.RestoreRequest(id))
              .starts_with("task_restore: manifest.json"));
  }
  // A file that the checkpoint does not have, and a link in the place of one.
  manifest["tmp_files"] = {context.base / "scratch-none"};
  context.Put("store/" + id + "/manifest.json", manifest.dump());
  CHECK(Contains(context.client.Refusal(context.RestoreRequest(id)), "No such file"));
  const fs::path kept = context.store() / id / context.base.relative_path() / "scratch-1";
  fs::remove(kept);
  fs::create_symlink("/etc/passwd", kept);
  manifest["tmp_files"] = {context.base / "scratch-1"};
  context.Put("store/" + id + "/manifest.json", manifest.dump());
  CHECK(Contains(context.client.Refusal(context.RestoreRequest(id)), "symbolic links"));
  fs::remove(context.store() / id / "manifest.json");
  CHECK(Contains(context.client.Refusal(context.RestoreRequest(id)), "manifest.json"));
  CHECK(context.Get("scratch-1") == "live");
  CHECK(context.Get("ws/file") == "live");
  CHECK(context.Leftovers() == 0);
}

TEST_CASE("a workspace that can't be swapped stays as it is", "[agent][json][restore]") {
  if (geteuid() != 0) EMBER_SKIP("mounting needs root");
  CheckpointContext context;
  context.Put("scratch-1", "one");
  const std::string id = context.Checkpoint();
  context.Put("scratch-1", "live");
  REQUIRE(mount("none", context.ws().c_str(), "tmpfs", 0, "size=1m") == 0);
  context.Put("ws/live", "live");
  const std::string error = context.client.Refusal(context.RestoreRequest(id));
  CHECK(Contains(error, "busy"));
  CHECK(context.Get("ws/live") == "live");
  CHECK(context.Get("scratch-1") == "live");
  CHECK(context.Leftovers() == 0);
  CHECK(umount2(context.ws().c_str(), MNT_DETACH) == 0);
}

TEST_CASE("an archive that is damaged or leads out restores nothing", "[agent][json][restore]") {
  if (geteuid() != 0) EMBER_SKIP("a file system of its own needs root");
  LoopFilesystem ext4("ext4", 64 << 20);
  if (!ext4.mounted()) EMBER_SKIP(ext4.why_not());
  CheckpointContext context(ext4.root());
  const std::string id = context.Checkpoint();
  context.Put("ws/file", "live");
  const std::string archive = "store/" + id + "/workspace.tar.gz";
  const std::string whole = context.Get(archive);
  context.Put(archive, whole.substr(0, whole.size() / 2));
  CHECK(context.client.Refusal(context.RestoreRequest(id)).starts_with("task_restore: "));
  context.client.Shell(fmt::format(
      "cd {} && mkdir t && echo evil > t/x && tar -czf {} --transform 's,t/x,ws/../../evil,' t/x",
      context.base.native(), archive));
  CHECK(context.client.Refusal(context.RestoreRequest(id)).starts_with("task_restore: "));
  CHECK_FALSE(fs::exists(context.base.parent_path() / "evil"));
  CHECK(context.Get("ws/file") == "live");
  CHECK(context.Leftovers() == 0);
}

TEST_CASE("a client that goes away takes its checkpoint with it", "[agent][json][checkpoint]") {
  CheckpointContext context;
  context.client.Shell("head -c 100000000 /dev/urandom > " + (context.ws() / "large").native());
  JsonClient impatient(context.agent);
  impatient.Send(context.Request("task_checkpoint"));
  CHECK(Eventually([&] { return context.Leftovers() > 0; }));
  CHECK(context.client.Call({{"op", "ping"}})["ok"] == true);
  impatient.Close();
  CHECK(Eventually([&] { return context.Leftovers() == 0; }));
  for (const auto& entry : fs::directory_iterator(context.store())) {
    CHECK(entry.path().filename() == ".lock");
  }
}

TEST_CASE("an agent that ends does not wait for a checkpoint", "[agent][json][checkpoint]") {
  CheckpointContext context;
  fs::create_directory(context.store());
  const auto other = LockFile(context.store() / ".lock");
  REQUIRE_OK(other);
  context.client.Send(context.Request("task_checkpoint"));
  CHECK(JsonClient(context.agent).Call({{"op", "ping"}})["ok"] == true);
  CHECK(ValueOf(context.agent.Stop()).code == 0);
  CHECK(context.Leftovers() == 0);
}

TEST_CASE("operations over the bound are refused, quick ones go on", "[agent][json][checkpoint]") {
  CheckpointContext context;
  fs::create_directory(context.store());
  const auto other = LockFile(context.store() / ".lock");
  REQUIRE_OK(other);
  std::vector<std::unique_ptr<JsonClient>> waiting;
  for (int i = 0; i < 64; ++i) {
    waiting.push_back(std::make_unique<JsonClient>(context.agent));
    // In one piece: when the first is answered, the second is the agent's next work.
    waiting.back()->SendRaw("{\"op\":\"ping\"}\n" + context.Request("task_checkpoint").dump() +
                            "\n");
    CHECK(waiting.back()->Receive()["ok"] == true);
  }
  CHECK(context.client.Refusal({{"op", "read_file"}, {"path", "/etc/passwd"}}) ==
        "read_file: 64 long operations run already");
  CHECK(context.client.Call({{"op", "vm_stats"}}).size() == 6);
  waiting.clear();
  CHECK(Eventually([&] {
    return context.client.Call({{"op", "read_file"}, {"path", "/etc/passwd"}}).contains("data");
  }));
}
