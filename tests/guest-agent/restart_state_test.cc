#include "guest-agent/restart_state.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/frame.h"
#include "ember/agent/v1/restart.pb.h"
#include "guest-agent/detached_process.h"
#include "guest-agent/restart.h"
#include "tests/support/status_matchers.h"

using namespace ember;
using namespace ember::agent;
using ember::testing::ValueOf;

namespace {

SavedProcess Saved(const std::string& tag, bool running) {
  SavedProcess saved{{}, OutputRing(DetachedProcess::kOutputKept), {}};
  saved.about.set_tag(tag);
  saved.about.set_pid(4711);
  saved.about.set_running(running);
  saved.about.add_argv("serve");
  if (!running) saved.about.mutable_exited()->set_code(3);
  return saved;
}

UniqueFd AnyFd() { return UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

std::string StateOf(const SavedProcess& one) {
  return RestartStateBegin() + RestartStateOf(one) + RestartStateEnd();
}

std::string Framed(const v1::RestartRecord& record) {
  std::string bytes;
  AppendFrame(record.SerializeAsString(), bytes);
  return bytes;
}

void CheckUnreadable(std::string_view bytes) {
  CHECK(absl::IsDataLoss(ParseRestartState(bytes).status()));
}

// A state of one process that runs, changed.
template <typename Change>
std::string Changed(Change change) {
  v1::RestartRecord record;
  v1::RestartProcess& process = *record.mutable_process();
  process.mutable_about()->set_tag("job");
  process.mutable_about()->set_pid(4711);
  process.mutable_about()->set_running(true);
  process.set_output_fd(5);
  process.set_error_fd(6);
  change(process);
  return RestartStateBegin() + Framed(record) + RestartStateEnd();
}

}  // namespace

TEST_CASE("a state tells of processes what there was to tell", "[agent][restart]") {
  SavedProcess running = Saved("job", true);
  running.streams.output = AnyFd();
  running.streams.error = AnyFd();
  running.output.Append(OutputStream::kOut, std::string(DetachedProcess::kOutputKept, 'x'));
  running.output.Append(OutputStream::kErr, "the end");
  const SavedProcess ended = Saved("done", false);
  const auto read = ValueOf(ParseRestartState(RestartStateBegin() + RestartStateOf(running) +
                                              RestartStateOf(ended) + RestartStateEnd()));
  REQUIRE(read.size() == 2);
  CHECK(read[0].about.SerializeAsString() == running.about.SerializeAsString());
  CHECK(read[0].input_fd == -1);
  CHECK(read[0].output_fd == running.streams.output.get());
  CHECK(read[0].error_fd == running.streams.error.get());
  CHECK(read[0].output.begin() == running.output.begin());
  CHECK(read[0].output.end() == running.output.end());
  const auto last = read[0].output.Read(read[0].output.end() - 7, 100);
  CHECK(last.stream == OutputStream::kErr);
  CHECK(last.bytes == "the end");
  CHECK(read[1].about.exited().code() == 3);
  CHECK(read[1].output_fd == -1);
}

TEST_CASE("a state that is cut anywhere is none", "[agent][restart]") {
  SavedProcess ended = Saved("done", false);
  ended.output.Append(OutputStream::kOut, "output");
  const std::string whole = StateOf(ended);
  REQUIRE_OK(ParseRestartState(whole).status());
  for (size_t size = 0; size < whole.size(); ++size) {
    CheckUnreadable(std::string_view(whole).substr(0, size));
  }
  CheckUnreadable(whole + RestartStateEnd());
}

TEST_CASE("a state of another version is not read", "[agent][restart]") {
  v1::RestartRecord record;
  record.mutable_header()->set_version(2);
  CheckUnreadable(Framed(record) + RestartStateEnd());
  CheckUnreadable("garbage");
}

TEST_CASE("a state that makes no sense is not read", "[agent][restart]") {
  REQUIRE_OK(ParseRestartState(Changed([](auto&) {})).status());
  CheckUnreadable(Changed([](auto& process) { process.mutable_about()->set_tag("a b"); }));
  CheckUnreadable(Changed([](auto& process) { process.mutable_about()->set_pid(1); }));
  CheckUnreadable(Changed([](auto& process) { process.mutable_about()->set_pid(UINT32_MAX); }));
  CheckUnreadable(Changed([](auto& process) { process.set_output_fd(0); }));
  CheckUnreadable(Changed([](auto& process) { process.set_output_fd(2); }));
  CheckUnreadable(Changed([](auto& process) { process.set_error_fd(5); }));
  CheckUnreadable(Changed([](auto& process) { process.set_error_fd(UINT32_MAX); }));
  CheckUnreadable(Changed([](auto& process) { process.mutable_about()->set_tty(true); }));
  const SavedProcess one = Saved("done", false);
  CheckUnreadable(RestartStateBegin() + RestartStateOf(one) + RestartStateOf(one) +
                  RestartStateEnd());
}

TEST_CASE("a restart into no program leaves everything as it was", "[agent][restart]") {
  std::vector<SavedProcess> processes;
  processes.push_back(Saved("job", true));
  processes[0].streams.output = AnyFd();
  RestartInto({"/no/such/program", "/etc/passwd"}, processes, Log::ToStderr(LogLevel::kError));
  CHECK_FALSE(IsRestart());
  CHECK(fcntl(processes[0].streams.output.get(), F_GETFD) == FD_CLOEXEC);
}
