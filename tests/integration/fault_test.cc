// Kills the daemon, or makes a step fail, at every named point of every verb (base/fault_point.h),
// and looks at what is left: nothing that a row does not explain, and the verb can be repeated.
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <string_view>

#include "base/file.h"
#include "tests/e2e/installation.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {
namespace {

enum class Verb { kCreate, kStart, kStop, kDelete, kRename, kRestart };
constexpr std::array kAllVerbs = {Verb::kCreate, Verb::kStart,  Verb::kStop,
                                  Verb::kDelete, Verb::kRename, Verb::kRestart};

// Which verb passes a point, and whether an error can take the place of its effect.
struct Case {
  std::string_view point;
  Verb verb;
  enum class Kind { kCrash, kFault } kind = Kind::kCrash;
  bool has_disk = false;  // on a VM with an image, which is not started
};

constexpr Case kCases[] = {
    {"create/row-committed", Verb::kCreate},
    {"create/make-directory", Verb::kCreate, Case::Kind::kFault},
    {"create/make-disk", Verb::kCreate, Case::Kind::kFault, true},
    {"create/disk-made", Verb::kCreate, Case::Kind::kCrash, true},
    {"create/disk-recorded", Verb::kCreate},
    {"start/intent-committed", Verb::kStart},
    {"start/launch", Verb::kStart, Case::Kind::kFault},
    {"start/launched", Verb::kStart},
    {"start/recorded", Verb::kStart},
    {"stop/intent-committed", Verb::kStop},
    {"stop/end-machine", Verb::kStop, Case::Kind::kFault},
    {"stop/guest-asked", Verb::kStop},
    {"stop/machine-ended", Verb::kStop},
    {"stop/recorded", Verb::kStop},
    {"delete/intent-committed", Verb::kDelete},
    {"delete/machine-ended", Verb::kDelete},
    {"delete/remove-files", Verb::kDelete, Case::Kind::kFault},
    {"delete/files-removed", Verb::kDelete},
    {"delete/row-removed", Verb::kDelete},
    {"rename/row-committed", Verb::kRename},
    {"rename/move", Verb::kRename, Case::Kind::kFault},
    {"rename/moved", Verb::kRename},
    {"rename/recorded", Verb::kRename},
    {"restart/intent-committed", Verb::kRestart},
    {"restart/start", Verb::kRestart},
};

// Passed by every verb, several times.
constexpr std::string_view kEveryVerb[] = {"store/begin", "store/commit", "store/committed"};

constexpr bool IsCovered(std::string_view point) {
  return std::any_of(std::begin(kCases), std::end(kCases),
                     [point](const Case& one) { return one.point == point; }) ||
         std::find(std::begin(kEveryVerb), std::end(kEveryVerb), point) != std::end(kEveryVerb);
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
  void Prepare(Verb verb, bool has_disk) {
    has_disk_ = has_disk;
    ember_.StartDaemon(WithPath({}));
    switch (verb) {
      case Verb::kCreate:
        break;
      case Verb::kStart:
      case Verb::kRename:
        ember_.EmberOk(CreateWords(false));
        break;
      case Verb::kStop:
      case Verb::kDelete:
      case Verb::kRestart:
        ember_.EmberOk(CreateWords(true));
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
    expect(ember_.Tagged().size() == running, "processes and rows");
    return left;
  }

  // The verb ends as it should when it is asked again: done, or done already.
  void Repeat(Verb verb) {
    const ToolResult result = ember_.Ember(WordsOf(verb));
    INFO(result.err << ember_.DaemonLog());
    constexpr int kNotFound = 4;
    constexpr int kWrongStateOrExists = 5;
    const int done_already =
        verb == Verb::kDelete || verb == Verb::kRename ? kNotFound : kWrongStateOrExists;
    const bool good = result.exit.code == 0 || result.exit.code == done_already;
    CHECK(good);
    CHECK(ReachedGoal(verb));
  }

  // Deletes everything and looks at what is left in the tables, the directory and the host.
  int LeftoversAfterDelete() {
    ember_.EmberOk({"vm", "delete", "--all", "--force", "--quiet"});
    ember_.StopDaemon();
    int left = static_cast<int>(ember_.Tagged().size());
    for (const char* table :
         {"vm", "vm_label", "cid_lease", "address_lease", "port_lease", "machine"}) {
      left += static_cast<int>(ember_.CountRows(table));
    }
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
      words.insert(words.end(), {"--image", "busybox", "--no-start"});
    } else {
      words.insert(words.end(), {"--image", "none", "--backend", "local"});
      if (!start) words.push_back("--no-start");
    }
    return words;
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
    }
    return {};
  }

  bool ReachedGoal(Verb verb) const {
    std::string status, name;
    for (const nlohmann::json& vm : ember_.VmsAtRest()) {
      status = vm["status"];
      name = vm["name"];
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
    }
    return false;
  }

  Installation ember_;
  bool has_disk_ = false;
  ToolResult outcome_;
};

// False when the fault was not met.
bool RunCase(Verb verb, bool has_disk, std::string_view point, std::string_view what, int pass,
             Counts& counts) {
  INFO(point << " " << what << ", pass " << pass);
  FaultContext context;
  context.Prepare(verb, has_disk);
  if (!context.Meet(verb, point, what, pass)) return false;
  INFO(context.outcome().err);
  (what == "KILL" ? counts.kills : counts.errors) += 1;
  counts.leftovers += context.Leftovers();
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
    if (one.has_disk && !PreparedState().has_value()) continue;
    CHECK(RunCase(one.verb, one.has_disk, one.point, "KILL", 1, counts));
  }
  Report("crashes", std::size(kCases), counts);
  CHECK(counts.leftovers == 0);
}

TEST_CASE("an effect that fails is undone, and the verb can be repeated", "[integration][faults]") {
  Counts counts;
  size_t points = 0;
  for (const Case& one : kCases) {
    if (one.kind != Case::Kind::kFault) continue;
    if (one.has_disk && !PreparedState().has_value()) continue;
    ++points;
    for (const std::string_view what : {"ENOSPC", "EIO", "EMFILE", "LAUNCH"}) {
      CHECK(RunCase(one.verb, one.has_disk, one.point, what, 1, counts));
    }
  }
  Report("failing effects", points, counts);
  CHECK(counts.leftovers == 0);
}

TEST_CASE("every transaction of every verb may fail, or be the last one", "[integration][faults]") {
  constexpr int kMostTransactions = 12;
  const Verb verb = GENERATE(from_range(kAllVerbs.begin(), kAllVerbs.end()));
  Counts counts;
  size_t transactions = 0;
  for (const std::string_view point : kEveryVerb) {
    for (const std::string_view what : {"KILL", "SQLITE_FULL", "SQLITE_BUSY"}) {
      // Behind a commit there is nothing left that could fail.
      if (point == "store/committed" && what != "KILL") continue;
      int pass = 1;
      while (RunCase(verb, false, point, what, pass, counts)) {
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
