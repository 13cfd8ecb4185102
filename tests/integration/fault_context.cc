#include "tests/integration/fault_context.h"

#include <fmt/format.h>
#include <signal.h>

#include <cstdlib>
#include <system_error>

#include "base/cancellation.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {

FaultContext::FaultContext(const std::filesystem::path& program)
    : ember_({program, {"--allow-insecure-local"}, "info"}) {}

void FaultContext::Prepare(Verb verb, bool has_disk, bool runs) {
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

bool FaultContext::Meet(Verb verb, std::string_view point, std::string_view what, int pass) {
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

int FaultContext::Leftovers() {
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

int FaultContext::LeftLayers() {
  ember_.StopDaemon();
  const auto rows = static_cast<size_t>(ember_.CountRows("disk_layer"));
  CHECK(LayerFiles() == rows);
  const int left = LayerFiles() == rows ? 0 : 1;
  ember_.StartDaemon(WithPath({}));
  return left;
}

void FaultContext::Repeat(Verb verb) {
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

int FaultContext::LeftoversAfterDelete() {
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

std::vector<std::string> FaultContext::WithPath(std::vector<std::string> more) {
  more.push_back(fmt::format("PATH={}:{}", EMBER_BIN_DIR, std::getenv("PATH")));
  return more;
}

std::vector<std::string> FaultContext::CreateWords(bool start) const {
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

void FaultContext::WriteToDisk() {
  const std::string disk = ember_.Json({"vm", "inspect", "web"})["disk_path"];
  const std::string format = disk.ends_with(".qcow2") ? "qcow2" : "raw";
  REQUIRE_OK(RunToolForOutput({"qemu-io", "-f", format, "-c", "write -q 0 64k", disk},
                              Cancellation::After(absl::Seconds(30))));
}

size_t FaultContext::LayerFiles() const {
  std::error_code absent;
  const std::filesystem::directory_iterator files(ember_.state_dir() / "layers", absent);
  return static_cast<size_t>(std::distance(begin(files), end(files)));
}

std::vector<std::string> FaultContext::ForwardWords() const {
  return {"forward", "web", ForwardPath().native() + ":80", "--quiet"};
}

std::vector<std::string> FaultContext::VolumeWords() {
  return {"volume", "create", "data", "--size", "16M", "--quiet"};
}

std::set<std::string> FaultContext::VolumeNames() const {
  std::set<std::string> names;
  for (const nlohmann::json& volume : ember_.Json({"volume", "list"})) {
    names.insert(volume["name"]);
  }
  return names;
}

std::set<std::string> FaultContext::VolumeFiles() const {
  std::set<std::string> names;
  std::error_code absent;
  for (const auto& entry :
       std::filesystem::directory_iterator(ember_.state_dir() / "volumes", absent)) {
    names.insert(entry.path().stem());
  }
  return names;
}

bool FaultContext::VolumesAgree() const {
  const Cancellation limit = Cancellation::After(absl::Seconds(20));
  while (VolumeNames() != VolumeFiles()) {
    if (!limit.Pause(absl::Milliseconds(20), "volumes").ok() || limit.done()) return false;
  }
  return true;
}

bool FaultContext::SizesAgree() const {
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

uint64_t FaultContext::VirtualSize(const std::string& disk) {
  const auto answer = nlohmann::json::parse(ValueOf(RunToolForOutput(
      {"qemu-img", "info", "-U", "--output=json", disk}, Cancellation::After(absl::Seconds(20)))));
  return answer["virtual-size"];
}

std::vector<std::string> FaultContext::WordsOf(Verb verb) const {
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

bool FaultContext::ReachedGoal(Verb verb) const {
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

bool RunFaultCase(const Case& one, std::string_view what, int pass, Counts& counts) {
  const Verb verb = one.verb;
  INFO(one.point << " " << what << ", verb " << static_cast<int>(verb) << ", pass " << pass);
  FaultContext context(EMBER_FAULTY_DAEMON);
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

void ReportFaults(std::string_view title, size_t points, const Counts& counts) {
  WARN(fmt::format("{}: {} points, {} kills, {} injected errors, {} leftovers", title, points,
                   counts.kills, counts.errors, counts.leftovers));
}

}  // namespace ember::testing
