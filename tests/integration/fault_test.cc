// Kills the daemon, or makes a step fail, at every named point of every verb (base/fault_point.h),
// and looks at what is left: nothing that a row does not explain, and the verb can be repeated.
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <string_view>
#include <system_error>

#include "base/cancellation.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "tests/e2e/installation.h"
#include "tests/integration/fault_cases.h"
#include "tests/integration/image_faults.h"
#include "tests/integration/kernel_faults.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {
namespace {

constexpr bool IsCovered(std::string_view point) {
  return std::any_of(std::begin(kCases), std::end(kCases),
                     [point](const Case& one) { return one.point == point; }) ||
         std::find(std::begin(kEveryVerb), std::end(kEveryVerb), point) != std::end(kEveryVerb) ||
         std::any_of(kImageCases.begin(), kImageCases.end(),
                     [point](const ImageCase& one) { return one.point == point; }) ||
         std::find(kKernelFaults.begin(), kKernelFaults.end(), point) != kKernelFaults.end();
}

// Every point of the sources has a case.
#define POINT(name) static_assert(IsCovered(name), "no case for fault point " name);
#include "fault_points.inc"
#undef POINT

// And every case has a point in the sources.
constexpr std::string_view kPoints[] = {
#define POINT(name) name,
#include "fault_points.inc"
#undef POINT
};
static_assert(std::all_of(std::begin(kCases), std::end(kCases), [](const Case& one) {
  return std::find(std::begin(kPoints), std::end(kPoints), one.point) != std::end(kPoints);
}));

// What the table of results counts.
struct Counts {
  int kills = 0;
  int errors = 0;
  int leftovers = 0;
};

// One daemon on a state directory of its own, on which a verb meets a fault.
class FaultContext {
 public:
  FaultContext() : ember_({EMBER_FAULTY_DAEMON, {"--allow-insecure-local"}, "info"}) {}

  // Makes what the verb needs, with a daemon that has no fault.
  void Prepare(Verb verb, bool has_disk, bool runs) {
    has_disk_ = has_disk || NeedsDisk(verb);
    runs_ = runs;
    ember_.StartDaemon(WithPath({}));
    switch (verb) {
      case Verb::kCreate:
      case Verb::kCreateWithVolume:
      case Verb::kMakeVolume:
        break;
      case Verb::kDropVolume:
        ember_.EmberOk(VolumeWords());
        break;
      case Verb::kStart:
      case Verb::kRename:
      case Verb::kResize:
        ember_.EmberOk(CreateWords(false));
        break;
      case Verb::kStop:
      case Verb::kDelete:
      case Verb::kRestart:
        ember_.EmberOk(CreateWords(true));
        break;
      case Verb::kForward:
        ember_.EmberOk(CreateWords(false));
        break;
      case Verb::kUnforward:
        ember_.EmberOk(CreateWords(false));
        ember_.EmberOk(ForwardWords());
        break;
      case Verb::kFork:
      case Verb::kSnapshot:
        ember_.EmberOk(CreateWords(false));
        if (has_disk_ && !runs) WriteToDisk();
        break;
      case Verb::kRestore:
      case Verb::kUnsnapshot:
        ember_.EmberOk(CreateWords(false));
        ember_.EmberOk({"snapshot", "create", "web", "one", "--quiet"});
        WriteToDisk();
    }
    if (verb == Verb::kDelete && has_disk) {
      ember_.EmberOk({"snapshot", "create", "web", "one", "--quiet"});
    }
    ember_.StopDaemon();
  }

  // Runs the verb on a daemon that is armed; answers whether the fault was met.
  bool Meet(Verb verb, std::string_view point, std::string_view what, int pass) {
    const std::filesystem::path hits = ember_.state_dir() / "hits";
    const std::filesystem::path gate = ember_.state_dir() / "gate";
    ember_.StartDaemon(WithPath({fmt::format("EMBER_FAULT={}={}", point, what),
                                 fmt::format("EMBER_FAULT_PASS={}", pass),
                                 fmt::format("EMBER_FAULT_GATE={}", gate.native()),
                                 fmt::format("EMBER_FAULT_HITS={}", hits.native())}));
    // Its start passes some of the points too, and is not what is asked about here.
    REQUIRE_OK(WriteFileAtomically(gate, "", 0600));
    outcome_ = ember_.Ember(WordsOf(verb));
    const bool met = std::filesystem::exists(hits);
    if (met && what == "KILL") {
      CHECK(ember_.AwaitDaemonEnd().signal == SIGKILL);
      ember_.StartDaemon(WithPath({}));
    }
    return met;
  }

  // Rows, processes, files and the daemon's own check agree. Counts what does not.
  int Leftovers() {
    const nlohmann::json vms = ember_.VmsAtRest();
    int left = 0;
    const auto expect = [&left](bool holds, std::string_view what) {
      INFO(what);
      CHECK(holds);
      left += holds ? 0 : 1;
    };
    const nlohmann::json anomalies = nlohmann::json::parse(
        ember_.Ember({"host", "check", "--format", "json"}).out, nullptr, false);
    INFO(anomalies.dump() << ember_.DaemonLog());
    expect(anomalies.is_array() && anomalies.empty(), "the daemon's own check");
    std::set<std::string> names;
    size_t running = 0;
    for (const nlohmann::json& vm : vms) {
      names.insert(vm["name"]);
      running += vm["status"] == "running" ? 1 : 0;
    }
    std::set<std::string> directories;
    for (const auto& entry : std::filesystem::directory_iterator(ember_.state_dir() / "vms")) {
      directories.insert(entry.path().filename());
    }
    expect(directories == names, "directories and rows");
    // A real machine has a vsock device of its own: a keeper, and a worker that it may start anew.
    const size_t processes = ember_.Tagged().size();
    const bool agree =
        runs_ ? processes >= running * 2 && processes <= running * 3 : processes == running;
    expect(agree, "processes and rows");
    expect(std::filesystem::exists(ForwardPath()) == IsForwarded(), "a forward's socket and row");
    expect(VolumesAgree(), "files and rows of volumes");
    expect(SizesAgree(), "sizes of disks in files and rows");
    return left;
  }

  // Files of layers and their rows, which only a daemon that has ended lets us see.
  int LeftLayers() {
    ember_.StopDaemon();
    const auto rows = static_cast<size_t>(ember_.CountRows("disk_layer"));
    CHECK(LayerFiles() == rows);
    const int left = LayerFiles() == rows ? 0 : 1;
    ember_.StartDaemon(WithPath({}));
    return left;
  }

  // The verb ends as it should when it is asked again: done, or done already.
  void Repeat(Verb verb) {
    const ToolResult result = ember_.Ember(WordsOf(verb));
    INFO(result.err << ember_.DaemonLog());
    constexpr int kNotFound = 4;
    constexpr int kWrongStateOrExists = 5;
    const bool gone = verb == Verb::kDelete || verb == Verb::kRename || verb == Verb::kDropVolume ||
                      verb == Verb::kUnsnapshot;
    const int done_already = gone ? kNotFound : kWrongStateOrExists;
    const bool good = result.exit.code == 0 || result.exit.code == done_already;
    CHECK(good);
    CHECK(ReachedGoal(verb));
  }

  // Deletes everything and looks at what is left in the tables, the directory and the host.
  int LeftoversAfterDelete() {
    ember_.EmberOk({"vm", "delete", "--all", "--force", "--quiet"});
    for (const std::string& name : VolumeNames()) {
      ember_.EmberOk({"volume", "delete", name, "--quiet"});
    }
    ember_.StopDaemon();
    int left = static_cast<int>(ember_.Tagged().size());
    for (const char* table :
         {"vm", "vm_label", "cid_lease", "address_lease", "port_lease", "forward", "machine",
          "volume", "volume_attachment", "vm_parent", "vm_disk_layer", "disk_layer", "snapshot"}) {
      left += static_cast<int>(ember_.CountRows(table));
    }
    left += std::filesystem::exists(ForwardPath()) ? 1 : 0;
    left += static_cast<int>(LayerFiles());
    left += static_cast<int>(VolumeFiles().size());
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator(ember_.state_dir() / "vms")) {
      ++left;
    }
    CHECK(left == 0);
    return left;
  }

  const ToolResult& outcome() const { return outcome_; }
  std::string Log() const { return ember_.DaemonLog(); }

 private:
  // The agent is looked for there, since the faulty daemon lies elsewhere.
  static std::vector<std::string> WithPath(std::vector<std::string> more) {
    more.push_back(fmt::format("PATH={}:{}", EMBER_BIN_DIR, std::getenv("PATH")));
    return more;
  }

  std::vector<std::string> CreateWords(bool start) const {
    std::vector<std::string> words = {"vm", "create", "web", "--quiet"};
    if (has_disk_) {
      words.insert(words.end(), {"--image", "busybox", "--memory", "128M"});
      if (!runs_) words.push_back("--no-start");
    } else {
      words.insert(words.end(), {"--image", "none", "--backend", "local"});
      if (!start) words.push_back("--no-start");
    }
    return words;
  }

  // What a guest would have done: so its disk is split, not forked from its image.
  void WriteToDisk() {
    const std::string disk = ember_.Json({"vm", "inspect", "web"})["disk_path"];
    const std::string format = disk.ends_with(".qcow2") ? "qcow2" : "raw";
    REQUIRE_OK(RunToolForOutput({"qemu-io", "-f", format, "-c", "write -q 0 64k", disk},
                                Cancellation::After(absl::Seconds(30))));
  }

  size_t LayerFiles() const {
    std::error_code absent;
    const std::filesystem::directory_iterator files(ember_.state_dir() / "layers", absent);
    return static_cast<size_t>(std::distance(begin(files), end(files)));
  }

  std::filesystem::path ForwardPath() const { return ember_.state_dir() / "forward.sock"; }
  std::vector<std::string> ForwardWords() const {
    return {"forward", "web", ForwardPath().native() + ":80", "--quiet"};
  }
  bool IsForwarded() const { return !ember_.Json({"forward", "list"}).empty(); }

  static std::vector<std::string> VolumeWords() {
    return {"volume", "create", "data", "--size", "16M", "--quiet"};
  }
  std::set<std::string> VolumeNames() const {
    std::set<std::string> names;
    for (const nlohmann::json& volume : ember_.Json({"volume", "list"})) {
      names.insert(volume["name"]);
    }
    return names;
  }
  std::set<std::string> VolumeFiles() const {
    std::set<std::string> names;
    std::error_code absent;
    for (const auto& entry :
         std::filesystem::directory_iterator(ember_.state_dir() / "volumes", absent)) {
      names.insert(entry.path().stem());
    }
    return names;
  }
  // What recovery began goes on while the daemon serves.
  bool VolumesAgree() const {
    const Cancellation limit = Cancellation::After(absl::Seconds(20));
    while (VolumeNames() != VolumeFiles()) {
      if (!limit.Pause(absl::Milliseconds(20), "volumes").ok() || limit.done()) return false;
    }
    return true;
  }
  bool SizesAgree() const {
    const Cancellation limit = Cancellation::After(absl::Seconds(20));
    for (const nlohmann::json& vm : ember_.VmsAtRest()) {
      if (vm["disk_path"].is_null()) continue;
      const uint64_t bytes = vm["disk_size_gib"].get<uint64_t>() << 30;
      while (VirtualSize(vm["disk_path"]) != bytes) {
        if (!limit.Pause(absl::Milliseconds(20), "sizes").ok() || limit.done()) return false;
      }
    }
    return true;
  }
  static uint64_t VirtualSize(const std::string& disk) {
    const auto answer = nlohmann::json::parse(
        ValueOf(RunToolForOutput({"qemu-img", "info", "-U", "--output=json", disk},
                                 Cancellation::After(absl::Seconds(20)))));
    return answer["virtual-size"];
  }

  std::vector<std::string> WordsOf(Verb verb) const {
    switch (verb) {
      case Verb::kCreate:
        return CreateWords(true);
      case Verb::kStart:
        return {"vm", "start", "web", "--quiet"};
      case Verb::kStop:
        return {"vm", "stop", "web", "--quiet"};
      case Verb::kDelete:
        return {"vm", "delete", "web", "--force", "--quiet"};
      case Verb::kRename:
        return {"vm", "rename", "web", "site", "--quiet"};
      case Verb::kRestart:
        return {"vm", "restart", "web", "--quiet"};
      case Verb::kForward:
        return ForwardWords();
      case Verb::kUnforward:
        return {"forward", "remove", "--all", "web", "--quiet"};
      case Verb::kFork:
        return {"vm", "fork", "web", "copy", "--no-start", "--quiet"};
      case Verb::kSnapshot:
        return {"snapshot", "create", "web", "one", "--quiet"};
      case Verb::kRestore:
        return {"snapshot", "restore", "web", "one", "--quiet"};
      case Verb::kUnsnapshot:
        return {"snapshot", "delete", "web", "one", "--quiet"};
      case Verb::kMakeVolume:
        return VolumeWords();
      case Verb::kDropVolume:
        return {"volume", "delete", "data", "--quiet"};
      case Verb::kCreateWithVolume: {
        std::vector<std::string> words = CreateWords(false);
        words.insert(words.end(), {"--volume", "data=16M:/srv/data"});
        return words;
      }
      case Verb::kResize:
        return {"vm", "resize", "web", "--disk-size", "9G", "--quiet"};
    }
    return {};
  }

  bool ReachedGoal(Verb verb) const {
    std::string status, name;
    nlohmann::json size;
    for (const nlohmann::json& vm : ember_.VmsAtRest()) {
      status = vm["status"];
      name = vm["name"];
      size = vm["disk_size_gib"];
    }
    switch (verb) {
      case Verb::kCreate:
        return status == (has_disk_ ? "created" : "running");
      case Verb::kStart:
      case Verb::kRestart:
        return status == "running";
      case Verb::kStop:
        return status == "stopped" || status == "failed";
      case Verb::kDelete:
        return name.empty();
      case Verb::kRename:
        return name == "site";
      case Verb::kForward:
        return IsForwarded();
      case Verb::kUnforward:
        return !IsForwarded();
      case Verb::kFork:
        return ember_.Ember({"vm", "inspect", "copy"}).exit.code == 0;
      case Verb::kSnapshot:
      case Verb::kRestore:
        return ember_.Json({"snapshot", "list", "web"}).size() == 1;
      case Verb::kUnsnapshot:
        return ember_.Json({"snapshot", "list", "web"}).empty();
      case Verb::kMakeVolume:
        return VolumeNames() == std::set<std::string>{"data"};
      case Verb::kDropVolume:
        return VolumeNames().empty();
      case Verb::kCreateWithVolume:
        return status == "created" && VolumeNames() == std::set<std::string>{"data"};
      case Verb::kResize:
        return size == 9;
    }
    return false;
  }

  Installation ember_;
  bool has_disk_ = false;
  bool runs_ = false;
  ToolResult outcome_;
};

// False when the fault was not met.
bool RunCase(const Case& one, std::string_view what, int pass, Counts& counts) {
  const Verb verb = one.verb;
  INFO(one.point << " " << what << ", verb " << static_cast<int>(verb) << ", pass " << pass);
  FaultContext context;
  context.Prepare(verb, one.has_disk, one.runs);
  if (!context.Meet(verb, one.point, what, pass)) return false;
  INFO(context.outcome().err);
  (what == "KILL" ? counts.kills : counts.errors) += 1;
  counts.leftovers += context.Leftovers();
  counts.leftovers += context.LeftLayers();
  context.Repeat(verb);
  counts.leftovers += context.Leftovers();
  counts.leftovers += context.LeftoversAfterDelete();
  return true;
}

void Report(std::string_view title, size_t points, const Counts& counts) {
  WARN(fmt::format("{}: {} points, {} kills, {} injected errors, {} leftovers", title, points,
                   counts.kills, counts.errors, counts.leftovers));
}

TEST_CASE("a daemon killed at any point of a verb leaves nothing that no row explains",
          "[integration][faults]") {
  Counts counts;
  for (const Case& one : kCases) {
    if ((one.has_disk || NeedsDisk(one.verb)) && !PreparedState().has_value()) continue;
    CHECK(RunCase(one, "KILL", 1, counts));
  }
  Report("crashes", std::size(kCases), counts);
  CHECK(counts.leftovers == 0);
}

TEST_CASE("an effect that fails is undone, and the verb can be repeated", "[integration][faults]") {
  Counts counts;
  size_t points = 0;
  for (const Case& one : kCases) {
    if (one.kind != Case::Kind::kFault) continue;
    if ((one.has_disk || NeedsDisk(one.verb)) && !PreparedState().has_value()) continue;
    ++points;
    for (const std::string_view what : {"ENOSPC", "EIO", "EMFILE", "LAUNCH"}) {
      CHECK(RunCase(one, what, 1, counts));
    }
  }
  Report("failing effects", points, counts);
  CHECK(counts.leftovers == 0);
}

TEST_CASE("every transaction of every verb may fail, or be the last one", "[integration][faults]") {
  constexpr int kMostTransactions = 12;
  const Verb verb = GENERATE(from_range(kAllVerbs.begin(), kAllVerbs.end()));
  if (NeedsDisk(verb) && !PreparedState().has_value()) EMBER_SKIP("EMBER_TEST_STATE is not set");
  Counts counts;
  size_t transactions = 0;
  for (const std::string_view point : kEveryVerb) {
    for (const std::string_view what : {"KILL", "SQLITE_FULL", "SQLITE_BUSY"}) {
      // Behind a commit there is nothing left that could fail.
      if (point == "store/committed" && what != "KILL") continue;
      int pass = 1;
      const Case one{point, verb, kCrash, NeedsDisk(verb)};
      while (RunCase(one, what, pass, counts)) {
        REQUIRE(++pass < kMostTransactions);
      }
      transactions += static_cast<size_t>(pass) - 1;
    }
  }
  Report(fmt::format("transactions of verb {}", static_cast<int>(verb)), transactions, counts);
  CHECK(counts.leftovers == 0);
}

}  // namespace
}  // namespace ember::testing
