// Kills the daemon, or makes a step fail, at every named point of the verbs that work on folders
// alone (kernels, prune), and looks at what is left: what was there before, or what was asked for.
#include <fmt/format.h>
#include <signal.h>

#include <functional>
#include <set>
#include <string>

#include "base/file.h"
#include "tests/backends/images/fake_kernel.h"
#include "tests/e2e/installation.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {
namespace {

enum class Kind { kCrash, kFault };

// One daemon on a state directory of its own, with a kernel file next to it.
class KernelFaultContext {
 public:
  KernelFaultContext() : ember_({EMBER_FAULTY_DAEMON, {}, "info"}) {
    REQUIRE_OK(WriteFileAtomically(KernelPath(), FakeVmlinux("6.6.6-test"), 0644));
    for (const auto& entry : std::filesystem::directory_iterator(ember_.state_dir())) {
      // Of the prepared kernels none is needed.
      if (entry.path().filename() == "kernels") std::filesystem::remove_all(entry.path());
    }
  }

  void Start(std::vector<std::string> environment = {}) {
    // The agent is looked for there, since the faulty daemon lies elsewhere.
    environment.push_back(fmt::format("PATH={}:{}", EMBER_BIN_DIR, std::getenv("PATH")));
    ember_.StartDaemon(std::move(environment));
  }
  void AddKernels() {
    Start();
    ember_.EmberOk(AddWords("first"));
    ember_.EmberOk(AddWords("second"));
    ember_.StopDaemon();
  }

  // Runs the verb on a daemon that is armed, and starts another one where that was killed. True
  // when the fault was met.
  bool Meet(const std::vector<std::string>& words, std::string_view point, std::string_view what,
            const std::function<void()>& before) {
    const std::filesystem::path hits = ember_.state_dir() / "hits";
    Start({fmt::format("EMBER_FAULT={}={}", point, what),
           fmt::format("EMBER_FAULT_HITS={}", hits.native())});
    if (before) before();
    exit_code_ = ember_.Ember(words).exit.code.value_or(-1);
    if (!std::filesystem::exists(hits)) return false;
    if (what == "KILL") {
      CHECK(ember_.AwaitDaemonEnd().signal == SIGKILL);
      Start();
    }
    return true;
  }

  std::set<std::string> Kernels() const {
    std::set<std::string> names;
    for (const nlohmann::json& kernel : ember_.Json({"kernel", "list"})) {
      names.insert(kernel["name"]);
    }
    return names;
  }
  // What lies in the folder of the store, work under way too.
  std::set<std::string> Folders() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(ember_.state_dir() / "kernels")) {
      if (entry.path().filename() != "default") names.insert(entry.path().filename());
    }
    return names;
  }
  std::string Default() const {
    std::string name;
    for (const nlohmann::json& kernel : ember_.Json({"kernel", "list"})) {
      if (!kernel["is_default"]) continue;
      CHECK(name.empty());
      name = kernel["name"];
    }
    return name;
  }
  std::vector<std::string> AddWords(const std::string& name) const {
    return {"kernel", "add", KernelPath().native(), "--name", name, "--quiet"};
  }
  std::filesystem::path LeftPath() const { return ember_.VmDir("left"); }

  Installation& ember() { return ember_; }
  int exit_code() const { return exit_code_; }

 private:
  std::filesystem::path KernelPath() const { return ember_.state_dir() / "kernel-file"; }

  Installation ember_;
  int exit_code_ = 0;
};

std::vector<std::string_view> WhatsOf(Kind kind) {
  if (kind == Kind::kCrash) return {"KILL"};
  return {"KILL", "ENOSPC", "EIO"};
}

TEST_CASE("an interrupted add leaves the kernel whole or not at all",
          "[integration][faults][kernel]") {
  const auto [point, kind] =
      GENERATE(table<std::string, Kind>({{"kernel-add/complete", Kind::kCrash},
                                         {"kernel-add/commit", Kind::kFault},
                                         {"kernel-add/committed", Kind::kCrash},
                                         {"kernel-default/write", Kind::kFault},
                                         {"kernel-default/written", Kind::kCrash}}));
  for (const std::string_view what : WhatsOf(kind)) {
    INFO(point << " " << what);
    KernelFaultContext context;
    CHECK(context.Meet(context.AddWords("first"), point, what, {}));
    CHECK(context.exit_code() != 0);
    CHECK(context.Folders() == context.Kernels());
    const bool there = context.Kernels().contains("first");
    CHECK(context.ember().Ember(context.AddWords("first")).exit.code == (there ? 5 : 0));
    CHECK(context.Default() == "first");
    CHECK(context.ember().Json({"kernel", "inspect", "first"})["version"] == "6.6.6-test");
  }
}

TEST_CASE("an interrupted choice of the default leaves one default",
          "[integration][faults][kernel]") {
  const auto [point, kind] = GENERATE(table<std::string, Kind>(
      {{"kernel-default/write", Kind::kFault}, {"kernel-default/written", Kind::kCrash}}));
  for (const std::string_view what : WhatsOf(kind)) {
    INFO(point << " " << what);
    KernelFaultContext context;
    context.AddKernels();
    const std::vector<std::string> words = {"kernel", "set-default", "second"};
    CHECK(context.Meet(words, point, what, {}));
    const bool done = point == "kernel-default/written";
    CHECK(context.Default() == (done ? "second" : "first"));
    context.ember().EmberOk(words);
    CHECK(context.Default() == "second");
  }
}

TEST_CASE("an interrupted delete of a kernel can be repeated", "[integration][faults][kernel]") {
  const auto [point, kind] = GENERATE(table<std::string, Kind>(
      {{"kernel-delete/remove", Kind::kFault}, {"kernel-delete/removed", Kind::kCrash}}));
  for (const std::string_view what : WhatsOf(kind)) {
    INFO(point << " " << what);
    KernelFaultContext context;
    context.AddKernels();
    const std::vector<std::string> words = {"kernel", "delete", "first"};
    CHECK(context.Meet(words, point, what, {}));
    CHECK(context.Folders() == context.Kernels());
    const bool there = context.Kernels().contains("first");
    CHECK(context.Default() == (there ? "first" : "second"));
    CHECK(context.ember().Ember(words).exit.code == (there ? 0 : 4));
    CHECK(context.Kernels() == std::set<std::string>{"second"});
    CHECK(context.Default() == "second");
  }
}

TEST_CASE("an interrupted prune can be repeated", "[integration][faults][storage]") {
  const auto [point, kind] = GENERATE(
      table<std::string, Kind>({{"prune/remove", Kind::kFault}, {"prune/removed", Kind::kCrash}}));
  for (const std::string_view what : WhatsOf(kind)) {
    INFO(point << " " << what);
    KernelFaultContext context;
    const std::vector<std::string> words = {"storage", "prune", "--format", "json"};
    CHECK(context.Meet(words, point, what, [&context] {
      // After the start, which would remove it.
      REQUIRE_OK(MakeDirectories(context.LeftPath(), 0700));
      REQUIRE_OK(WriteFileAtomically(context.LeftPath() / "disk.qcow2", "x", 0600));
    }));
    CHECK(context.exit_code() != 0);
    // A start removes such a directory, too.
    if (what != "KILL") CHECK(std::filesystem::exists(context.LeftPath()));
    context.ember().EmberOk(words);
    CHECK_FALSE(std::filesystem::exists(context.LeftPath()));
    CHECK(nlohmann::json::parse(context.ember().EmberOk(words)).empty());
  }
}

}  // namespace
}  // namespace ember::testing
