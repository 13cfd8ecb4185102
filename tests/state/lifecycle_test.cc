#include "state/lifecycle.h"

#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::state {
namespace {

// The whole table, written down a second time by hand: one line for each event, one column for each
// state, and what comes next ('.' is a refusal).
constexpr char kTable[] = R"(
event          creating  created   starting  running   paused    stopping  stopped   failed    deleting
start          .         starting  .         .         .         .         starting  starting  .
pause          .         .         .         paused    .         .         .         .         .
resume         .         .         .         .         running   .         .         .         .
stop           .         .         .         stopping  stopping  .         .         .         .
force-stop     .         .         .         stopping  stopping  stopping  .         .         .
delete         .         deleting  .         .         .         .         deleting  deleting  .
force-delete   .         deleting  .         deleting  deleting  deleting  deleting  deleting  .
rename         .         created   .         .         .         .         stopped   failed    .
update         .         created   .         .         .         .         stopped   failed    .
fork           .         created   .         running   paused    .         stopped   failed    .
restore        .         created   .         .         .         .         stopped   failed    .
create-done    created   .         .         .         .         .         .         .         .
create-failed  deleting  deleting  deleting  .         .         .         .         .         .
launched       .         .         running   .         .         .         .         .         .
launch-failed  .         .         failed    .         .         .         .         .         .
boot-retry     .         .         .         starting  .         .         .         .         .
stopped        .         .         .         .         .         stopped   .         .         deleting
stop-failed    .         .         .         .         .         running   .         .         deleting
delete-failed  .         .         .         .         .         .         .         .         failed
powered-off    .         .         stopped   stopped   stopped   stopping  .         .         deleting
exited         .         .         failed    failed    failed    stopping  .         .         deleting
lost           .         .         failed    failed    failed    stopped   .         .         .
)";

// Next state by (event, state); "." is a refusal.
std::map<std::pair<std::string, std::string>, std::string> ReadTable() {
  std::map<std::pair<std::string, std::string>, std::string> table;
  std::istringstream lines(kTable);
  std::string line, word;
  std::vector<std::string> states;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string event;
    if (!(words >> event)) continue;
    std::vector<std::string> cells;
    while (words >> word) cells.push_back(word);
    if (event == "event") {
      states = cells;
      continue;
    }
    REQUIRE(cells.size() == states.size());
    for (size_t i = 0; i < cells.size(); ++i) table[{event, states[i]}] = cells[i];
  }
  return table;
}

std::string Answer(VmState state, VmEvent event) {
  const auto next = Next(state, event, "web");
  return next.ok() ? std::string(VmStateName(*next)) : ".";
}

TEST_CASE("every pair of state and event does what the table says", "[state][lifecycle]") {
  auto table = ReadTable();
  for (const VmState state : kAllVmStates) {
    for (const VmEvent event : kAllVmEvents) {
      const std::pair key{std::string(VmEventName(event)), std::string(VmStateName(state))};
      INFO(key.first << " while " << key.second);
      REQUIRE(table.count(key) == 1);
      CHECK(Answer(state, event) == table[key]);
      table.erase(key);
    }
  }
  CHECK(table.empty());
}

TEST_CASE("every refusal names the vm, says wrong state and carries both", "[state][lifecycle]") {
  for (const VmState state : kAllVmStates) {
    for (const VmEvent event : kAllVmEvents) {
      const absl::Status status = Next(state, event, "web").status();
      if (status.ok()) continue;
      INFO(status.ToString());
      CHECK(status.code() == absl::StatusCode::kFailedPrecondition);
      CHECK(Message(status).starts_with("vm 'web'"));
      CHECK(ReasonOf(status) == "WRONG_STATE");
      CHECK(MetadataOf(status).at("vm") == "web");
      CHECK(MetadataOf(status).at("state") == VmStateName(state));
    }
  }
}

TEST_CASE("a refused verb says what the vm does instead", "[state][lifecycle]") {
  struct Case {
    VmState state;
    VmEvent event;
    std::string message;
  };
  const Case cases[] = {
      {VmState::kRunning, VmEvent::kStart, "vm 'web' is already running"},
      {VmState::kRunning, VmEvent::kDelete, "vm 'web' is running"},
      {VmState::kRunning, VmEvent::kRename, "vm 'web' is running"},
      {VmState::kPaused, VmEvent::kUpdate, "vm 'web' is paused"},
      {VmState::kRunning, VmEvent::kResume, "vm 'web' is running and not paused"},
      {VmState::kPaused, VmEvent::kPause, "vm 'web' is already paused"},
      {VmState::kPaused, VmEvent::kStart, "vm 'web' is paused"},
      {VmState::kStopping, VmEvent::kStart, "vm 'web' is stopping"},
      {VmState::kStopping, VmEvent::kStop, "vm 'web' is stopping"},
      {VmState::kStarting, VmEvent::kForceDelete, "vm 'web' is starting"},
      {VmState::kCreating, VmEvent::kStart, "vm 'web' is being created"},
      {VmState::kDeleting, VmEvent::kStart, "vm 'web' is being deleted"},
      {VmState::kStopped, VmEvent::kStop, "vm 'web' is already stopped"},
      {VmState::kStopped, VmEvent::kPause, "vm 'web' is not running, it is stopped"},
      {VmState::kCreated, VmEvent::kStop, "vm 'web' is not running, it was never started"},
      {VmState::kFailed, VmEvent::kStop, "vm 'web' is not running, it has failed"},
  };
  for (const Case& refused : cases) {
    CHECK(Message(Next(refused.state, refused.event, "web").status()) == refused.message);
  }
}

TEST_CASE("the hint of a refusal is a command on that vm", "[state][lifecycle]") {
  CHECK(HintOf(Next(VmState::kRunning, VmEvent::kStart, "web").status()) ==
        "stop it first: ember vm stop web");
  CHECK(HintOf(Next(VmState::kStopped, VmEvent::kPause, "web").status()) ==
        "start it: ember vm start web");
  CHECK(HintOf(Next(VmState::kStopped, VmEvent::kStop, "web").status()) == std::nullopt);
}

TEST_CASE("an outcome that can't be is told by name", "[state][lifecycle]") {
  CHECK(Message(Next(VmState::kStopped, VmEvent::kLaunched, "web").status()) ==
        "vm 'web': unexpected 'launched' while stopped");
}

TEST_CASE("from every state a vm can be brought to its end", "[state][lifecycle]") {
  // Walks the table backwards from deleting, over all events.
  std::set<VmState> reaching = {VmState::kDeleting};
  for (size_t round = 0; round < kAllVmStates.size(); ++round) {
    for (const VmState state : kAllVmStates) {
      for (const VmEvent event : kAllVmEvents) {
        const auto next = Next(state, event, "web");
        if (next.ok() && reaching.count(*next) != 0) reaching.insert(state);
      }
    }
  }
  CHECK(reaching.size() == kAllVmStates.size());
}

TEST_CASE("names of states and events are distinct and states parse back", "[state][lifecycle]") {
  std::set<std::string_view> events;
  for (const VmEvent event : kAllVmEvents) events.insert(VmEventName(event));
  CHECK(events.size() == kAllVmEvents.size());
  for (const VmState state : kAllVmStates) CHECK(ParseVmState(VmStateName(state)) == state);
  CHECK(ParseVmState("Running") == std::nullopt);
  CHECK(ParseVmState("") == std::nullopt);
}

}  // namespace
}  // namespace ember::state
