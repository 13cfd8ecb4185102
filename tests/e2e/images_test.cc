// Images of all kinds on real VMs: built, booted, and what their config says is in force.
#include <filesystem>
#include <string>

#include "base/cancellation.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "tests/e2e/installation.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {
namespace {

using Catch::Matchers::Contains;

#define REQUIRE_PREPARED() \
  if (!PreparedState().has_value()) EMBER_SKIP("EMBER_TEST_STATE is not set: run ./tests/run")

// A folder with a Dockerfile for an image of one static program.
class BuildContext {
 public:
  BuildContext() {
    std::filesystem::copy_file(EMBER_STATIC_APP, dir_ / "app");
    REQUIRE_OK(WriteFileAtomically(dir_ / "Dockerfile",
                                   "FROM scratch\n"
                                   "ARG MODE=none\n"
                                   "COPY app /app\n"
                                   "COPY --chown=1000:1000 data /data\n"
                                   "ENV MODE=$MODE\n"
                                   "USER 1000:1000\n"
                                   "WORKDIR /data\n"
                                   "STOPSIGNAL SIGUSR1\n"
                                   "ENTRYPOINT [\"/app\"]\n"
                                   "CMD [\"serve\"]\n",
                                   0644));
    REQUIRE_OK(MakeDirectories(dir_ / "data", 0755));
    REQUIRE_OK(WriteFileAtomically(dir_ / "data" / "file", "content\n", 0644));
  }
  std::string path() const { return dir_.path(); }

 private:
  TempDir dir_;
};

bool CanBuild() { return FindProgram("buildah").has_value(); }

// Waits until what the VM's main process has written holds `text`.
std::string MainOutputWith(const Installation& ember, const std::string& vm,
                           const std::string& text) {
  const Cancellation limit = Cancellation::After(absl::Seconds(60));
  std::string out;
  while (out.find(text) == out.npos) {
    out = ember.Ember({"logs", vm, "main"}).out;
    REQUIRE_OK(limit.Pause(absl::Milliseconds(50), "the main process's output"));
  }
  return out;
}

TEST_CASE("an image without a shell boots, and runs what it is there for", "[e2e][images]") {
  REQUIRE_PREPARED();
  if (!CanBuild()) EMBER_SKIP("buildah is not installed");
  const BuildContext context;
  Installation ember;
  ember.StartDaemon();
  const ToolResult built =
      ember.Ember({"image", "build", "app", "--build-arg", "MODE=test", context.path()});
  INFO(built.err << ember.DaemonLog());
  REQUIRE(built.exit.code == 0);
  CHECK_THAT(built.err, Contains("STEP 3/"));  // the tool's output is the progress
  const nlohmann::json image = ember.Json({"image", "inspect", "app"});
  CHECK(image["config"]["user"] == "1000:1000");
  CHECK(image["config"]["stop_signal"] == "SIGUSR1");
  CHECK_FALSE(image["layers"].empty());

  ember.EmberOk({"vm", "create", "web", "--image", "app", "--memory", "256M", "--run"});
  CHECK_THAT(MainOutputWith(ember, "web", "serving"),
             Contains("serving as 1000 in /data with MODE=test\n"));
  // What exec does not say comes from the image; a user by number needs no /etc/passwd.
  CHECK(ember.Exec("web", {"/app", "id"}) == "1000:1000\n");
  CHECK(ember.Exec("web", {"/app", "env", "MODE"}) == "test\n");
  CHECK(ember.Exec("web", {"/app", "cat", "file"}) == "content\n");
  CHECK(ember.EmberOk({"exec", "--user", "0", "web", "--", "/app", "id"}) == "0:0\n");
  CHECK(ember.EmberOk({"exec", "--env", "MODE=mine", "web", "--", "/app", "env", "MODE"}) ==
        "mine\n");
  const ToolResult shell = ember.Ember({"exec", "web", "--", "sh", "-c", "true"});
  CHECK(shell.exit.code == 127);
  CHECK_THAT(shell.err, Contains("no shell"));
  const ToolResult nobody = ember.Ember({"exec", "--user", "nobody", "web", "--", "/app", "id"});
  CHECK(nobody.exit.code != 0);
  CHECK_THAT(nobody.err, Contains("/etc/passwd"));

  // The stop signal of the image comes before the end of the guest, and the next boot starts anew.
  ember.EmberOk({"vm", "stop", "web"});
  ember.EmberOk({"vm", "start", "web"});
  CHECK(ember.Exec("web", {"/app", "cat", "ended"}) == "signal 10\n");
  MainOutputWith(ember, "web", "serving");
  CHECK_THAT(ember.Ember({"image", "delete", "app"}).err,
             Contains("image 'app' is in use by VM(s): web"));
  ember.EmberOk({"image", "delete", "app", "--force"});
  CHECK(ember.Json({"vm", "list"}).empty());
  ember.StopDaemon();
}

TEST_CASE("a busybox image boots and takes commands", "[e2e][images]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("tiny");
  CHECK(ember.Exec("tiny", {"id", "-u"}) == "0\n");
  const ToolResult refused =
      ember.Ember({"vm", "create", "web", "--image", "busybox", "--run", "--quiet"});
  CHECK(refused.exit.code == 5);
  CHECK_THAT(refused.err, Contains("neither an entrypoint nor a command"));
  const ToolResult missing = ember.Ember({"vm", "create", "web", "--image", "alpine"});
  CHECK(missing.exit.code == 4);
  for (const char* words :
       {"ember image list", "ember image pull alpine", "ember image build alpine --from busybox"}) {
    CHECK_THAT(missing.err, Contains(words));
  }
}

TEST_CASE("a Debian with systemd boots, commands run before and after its units",
          "[e2e][images][apt]") {
  REQUIRE_PREPARED();
  if (!FindProgram("mmdebstrap").has_value()) EMBER_SKIP("mmdebstrap is not installed");
  Installation ember;
  ember.StartDaemon();
  const ToolResult built = ember.Ember({"image", "build", "deb", "--from", "debian:bookworm",
                                        "--packages", "systemd-sysv,dbus", "--quiet"});
  if (built.exit.code != 0) EMBER_SKIP("cannot build here: " + built.err);
  ember.EmberOk({"vm", "create", "deb", "--image", "deb", "--memory", "512M"});
  CHECK_THAT(ember.Exec("deb", {"cat", "/etc/os-release"}), Contains("bookworm"));
  // It can be asked only once it listens, which is later than its start.
  const Cancellation limit = Cancellation::After(absl::Seconds(180));
  ToolResult settled;
  const auto is_up = [&settled] {
    return settled.out == "running\n" || settled.out == "degraded\n";
  };
  while (!is_up()) {
    settled = ember.Ember({"exec", "deb", "--", "systemctl", "is-system-running", "--wait"});
    INFO(settled.out << settled.err);
    if (!is_up()) REQUIRE_OK(limit.Pause(absl::Milliseconds(200), "systemd"));
  }
  CHECK(ember.Exec("deb", {"cat", "/proc/1/comm"}) == "systemd\n");
}

TEST_CASE("a build that fails, or is cancelled, leaves nothing", "[e2e][images]") {
  if (!CanBuild()) EMBER_SKIP("buildah is not installed");
  const BuildContext context;
  Installation ember;
  ember.StartDaemon();
  const auto dockerfile = std::filesystem::path(context.path()) / "Dockerfile";
  SECTION("a step that fails") {
    REQUIRE_OK(WriteFileAtomically(dockerfile, "FROM scratch\nCOPY nothing /\n", 0644));
    const ToolResult failed = ember.Ember({"image", "build", "bad", context.path()});
    CHECK(failed.exit.code == 2);
    CHECK_THAT(failed.err, Contains("image 'bad': buildah could not build it: Error"));
  }
  SECTION("a cancelled one") {
    REQUIRE_OK(WriteFileAtomically(
        dockerfile, "FROM scratch\nCOPY app /app\nRUN [\"/app\", \"serve\"]\n", 0644));
    std::stop_source stop;
    ToolOptions build = ember.EmberTool({"image", "build", "bad", context.path()});
    std::string seen;
    build.on_stderr = [&](std::string_view text) {
      seen += text;
      // By then a process of the build runs in its root.
      if (seen.find("serving as") != seen.npos) stop.request_stop();
    };
    const auto result = RunTool(build, {stop.get_token(), Deadline::After(absl::Seconds(60))});
    CHECK(absl::IsCancelled(result.status()));
  }
  // The daemon hears of a client that is gone when its connection has closed.
  const Cancellation limit = Cancellation::After(absl::Seconds(30));
  const auto left = [&ember] {
    size_t files = 0;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(ember.state_dir() / "images")) {
      files += entry.path().native().find("/.staging-") != std::string::npos ? 1 : 0;
    }
    return files;
  };
  while (left() > 0) REQUIRE_OK(limit.Pause(absl::Milliseconds(20), "the build's end"));
  CHECK(ValueOf(ReadFile("/proc/mounts")).find(ember.state_dir().native()) == std::string::npos);
  CHECK(ember.Ember({"image", "inspect", "bad"}).exit.code == 4);
}

}  // namespace
}  // namespace ember::testing
