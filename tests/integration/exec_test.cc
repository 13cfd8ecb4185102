// Commands in VMs of the local backend, through the real daemon, agent and command line: many at
// once, given up at every point, and with one of the programs between going away.
#include <fcntl.h>
#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <functional>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "ember/v1/host_service.grpc.pb.h"
#include "tests/e2e/host_calls.h"
#include "tests/e2e/installation.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/text.h"

namespace ember::testing {
namespace {

// A daemon with a VM "web" on the local backend.
class LocalVm : public Installation {
 public:
  LocalVm() : Installation(Shape{.daemon_words = {"--allow-insecure-local"}, .log_level = "warn"}) {
    StartDaemon();
    HostCalls calls(socket());
    REQUIRE(calls.CreateLocal("web").ok());
  }

  std::filesystem::path socket() const { return state_dir() / "emberhostd.sock"; }
  pid_t agent_pid() const { return Json({"vm", "inspect", "web"})["pid"].get<pid_t>(); }
  std::filesystem::path file(const std::string& name) const { return files_ / name; }

  // The processes that the agent runs.
  std::string AgentsChildren(pid_t agent) const {
    return ValueOf(ReadFile(fmt::format("/proc/{0}/task/{0}/children", agent)));
  }
  size_t DaemonsDescriptors() const {
    const auto folder = fmt::format("/proc/{}/fd", daemon().identity().pid);
    const std::filesystem::directory_iterator entries(folder);
    return static_cast<size_t>(std::distance(begin(entries), end(entries)));
  }

 private:
  TempDir files_;
};

bool Eventually(const std::function<bool()>& condition) {
  const Cancellation patience = Cancellation::After(absl::Seconds(60));
  while (!condition()) {
    if (!patience.Pause(absl::Milliseconds(10), "condition").ok() || patience.done()) return false;
  }
  return true;
}

bool IsAlive(pid_t pid) { return IdentifyProcess(pid).ok(); }

// One Exec call, step by step.
class ExecStream {
 public:
  explicit ExecStream(const std::filesystem::path& socket)
      : stub_(v1::HostService::NewStub(
            grpc::CreateChannel("unix:" + socket.string(), grpc::InsecureChannelCredentials()))),
        stream_(stub_->Exec(&context_)) {}

  void Start(const std::vector<std::string>& argv) {
    v1::ExecRequest request;
    request.mutable_start()->set_vm("web");
    for (const std::string& word : argv) request.mutable_start()->add_argv(word);
    REQUIRE(stream_->Write(request));
  }
  void Input(const std::string& bytes) {
    v1::ExecRequest request;
    request.set_stdin_data(bytes);
    REQUIRE(stream_->Write(request));
  }
  // Reads until `wanted` says yes.
  void ReadUntil(const std::function<bool(const v1::ExecResponse&)>& wanted) {
    v1::ExecResponse response;
    do REQUIRE(stream_->Read(&response));
    while (!wanted(response));
  }
  void AwaitStart() {
    ReadUntil([](const auto& response) { return response.has_started(); });
  }
  grpc::StatusCode Cancel() {
    context_.TryCancel();
    v1::ExecResponse response;
    while (stream_->Read(&response)) continue;
    return stream_->Finish().error_code();
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<v1::HostService::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ExecRequest, v1::ExecResponse>> stream_;
};

TEST_CASE("1,000 commands run at the same time in one VM", "[integration][exec]") {
  constexpr int kCommands = 1000;
  // As most systems start a daemon: too few for one descriptor each.
  rlimit files{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &files) == 0);
  files.rlim_cur = std::min<rlim_t>(files.rlim_max, 1024);
  REQUIRE(setrlimit(RLIMIT_NOFILE, &files) == 0);
  LocalVm ember;
  const std::string go = ember.file("go");
  REQUIRE(mkfifo(go.c_str(), 0600) == 0);
  UniqueFd gate(open(go.c_str(), O_RDWR | O_CLOEXEC));
  REQUIRE(gate.valid());
  REQUIRE_OK(WriteFileAtomically(ember.file("here"), "", 0600));

  HostCalls calls(ember.socket());
  std::vector<int> codes(kCommands, -1);
  std::vector<grpc::Status> ends(kCommands);
  std::vector<std::jthread> running;
  for (int i = 0; i < kCommands; ++i) {
    running.emplace_back([&, i] {
      const std::string line = fmt::format("exec 3<>{}; echo >> {}; read x <&3; exit {}", go,
                                           ember.file("here").native(), i % 251);
      ends[static_cast<size_t>(i)] =
          calls.Exec("web", {"sh", "-c", line}, codes[static_cast<size_t>(i)]);
    });
  }
  // Nobody goes before all are there.
  const bool all_there =
      Eventually([&] { return ValueOf(ReadFile(ember.file("here"))).size() == kCommands; });
  const std::string lines(kCommands, '\n');
  const bool let_go = write(gate.get(), lines.data(), lines.size()) == kCommands;
  running.clear();
  CHECK(all_there);
  CHECK(let_go);
  for (int i = 0; i < kCommands; ++i) {
    INFO(i << ": " << ends[static_cast<size_t>(i)].error_message());
    CHECK(codes[static_cast<size_t>(i)] == i % 251);
  }
  CHECK(ember.AgentsChildren(ember.agent_pid()).empty());
}

TEST_CASE("a command that is given up at any point leaves nothing", "[integration][exec]") {
  LocalVm ember;
  const pid_t agent = ember.agent_pid();
  const size_t descriptors = ember.DaemonsDescriptors();
  const std::vector<std::function<void(ExecStream&)>> points = {
      [](ExecStream&) {},  // before it is asked for
      [](ExecStream& exec) {
        exec.Start({"sleep", "1000"});
      },
      [](ExecStream& exec) {
        exec.Start({"sleep", "1000"});
        exec.AwaitStart();
      },
      [](ExecStream& exec) {  // in the middle of its input, which it does not take
        exec.Start({"sleep", "1000"});
        exec.AwaitStart();
        exec.Input(std::string(size_t{256} << 10, 'x'));
      },
      [](ExecStream& exec) {  // in the middle of its output
        exec.Start({"yes"});
        exec.ReadUntil([](const auto& response) { return !response.stdout_data().empty(); });
      },
      [](ExecStream& exec) {  // after its end
        exec.Start({"true"});
        exec.ReadUntil([](const auto& response) { return response.has_exited(); });
      },
  };
  for (size_t i = 0; i < points.size(); ++i) {
    INFO("point " << i);
    ExecStream exec(ember.socket());
    points[i](exec);
    const grpc::StatusCode code = exec.Cancel();
    const bool after_its_end = i + 1 == points.size();
    CHECK((code == grpc::CANCELLED || (after_its_end && code == grpc::OK)));
    CHECK(Eventually([&] { return ember.AgentsChildren(agent).empty(); }));
  }
  CHECK(Eventually([&] { return ember.DaemonsDescriptors() <= descriptors; }));
}

TEST_CASE("when the daemon dies, sessions are hung up and detached commands go on",
          "[integration][exec]") {
  LocalVm ember;
  ember.EmberOk({"exec", "web", "--detach", "--tag", "job", "--", "sleep", "1000"});
  const auto job = ember.Json({"ps", "web"})[0];
  SpawnOptions client;
  client.argv = ember.EmberTool({"exec", "web", "--", "sleep", "1001"}).argv;
  UniqueFd errors(open(ember.file("err").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  client.stderr_fd = errors.get();
  Process foreground = ValueOf(Spawn(client));
  pid_t session = 0;
  REQUIRE(Eventually([&] {
    const auto list = ember.Json({"ps", "web"});
    if (list.size() < 2) return false;
    session = list[1]["pid"].get<pid_t>();
    return true;
  }));

  ember.KillDaemon();
  CHECK(ValueOf(foreground.Wait(Cancellation::After(absl::Seconds(30)))).code == 125);
  CHECK(Contains(ValueOf(ReadFile(ember.file("err"))), "error: "));
  CHECK(Eventually([&] { return !IsAlive(session); }));
  CHECK(IsAlive(job["pid"].get<pid_t>()));

  ember.StartDaemon();
  ember.EmberOk({"vm", "wait", "web", "--for", "agent"});
  CHECK(ember.Json({"ps", "web"})[0] == job);
  ember.EmberOk({"kill", "web", "job"});
  CHECK(ember.Ember({"attach", "web", "job"}).exit.code == 128 + SIGTERM);
  const ToolResult late = ember.Ember({"kill", "web", "job"});
  CHECK(late.exit.code == 5);
  CHECK(Contains(late.err, "process 'job' has ended already: signal 15"));
}

TEST_CASE("when the VM dies, the client is told that it went away", "[integration][exec]") {
  LocalVm ember;
  ExecStream exec(ember.socket());
  const pid_t agent = ember.agent_pid();
  SpawnOptions client;
  client.argv = ember
                    .EmberTool({"exec", "web", "--",
                                "echo > " + ember.file("here").native() + "; sleep 1000"})
                    .argv;
  UniqueFd errors(open(ember.file("err").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  client.stderr_fd = errors.get();
  Process running = ValueOf(Spawn(client));
  REQUIRE(Eventually([&] { return ReadFile(ember.file("here")).ok(); }));
  REQUIRE(kill(agent, SIGKILL) == 0);
  CHECK(ValueOf(running.Wait(Cancellation::After(absl::Seconds(30)))).code == 125);
  CHECK(Contains(ValueOf(ReadFile(ember.file("err"))), "vm 'web' went away"));
}

TEST_CASE("an agent that restarts keeps detached commands and serves again",
          "[integration][exec]") {
  LocalVm ember;
  const pid_t agent = ember.agent_pid();
  ember.EmberOk({"exec", "web", "-d", "--tag", "job", "--",
                 "echo begin; until [ -e " + ember.file("go").native() +
                     " ]; do sleep 0.02; done; echo end; exit 3"});
  const auto before = ember.Json({"ps", "web"})[0]["pid"];
  for (int i = 0; i < 2; ++i) {
    REQUIRE(kill(agent, SIGHUP) == 0);
    CHECK(ember.EmberOk({"exec", "web", "--", "echo", "again"}) == "again\n");
  }
  CHECK(ember.Json({"ps", "web"})[0]["pid"] == before);
  REQUIRE_OK(WriteFileAtomically(ember.file("go"), "", 0600));
  const ToolResult attached = ember.Ember({"attach", "web", "job"});
  CHECK(attached.exit.code == 3);
  CHECK(attached.out == "begin\nend\n");
  CHECK(ember.EmberOk({"logs", "web", "job"}) == "begin\nend\n");
  CHECK(ember.Json({"vm", "inspect", "web"})["pid"].get<pid_t>() == agent);
}

TEST_CASE("limits, umask and tags go all the way", "[integration][exec]") {
  LocalVm ember;
  CHECK(ember.EmberOk({"exec", "web", "--umask", "027", "--ulimit", "nofile=17:23", "--",
                       "umask; ulimit -Sn; ulimit -Hn"}) == "0027\n17\n23\n");
  const ToolResult unknown = ember.Ember({"exec", "web", "--ulimit", "coffee=1", "--", "true"});
  CHECK(unknown.exit.code == 125);
  CHECK(Contains(unknown.err, "limit 'coffee' is not known"));
  ember.EmberOk({"exec", "web", "-d", "--tag", "job", "--", "sleep", "1000"});
  const ToolResult taken = ember.Ember({"exec", "web", "-d", "--tag", "job", "--", "true"});
  CHECK(taken.exit.code == 125);
  CHECK(Contains(taken.err, "process 'job' runs already"));
  CHECK(ember.Ember({"kill", "web", "nope"}).exit.code == 4);
}

}  // namespace
}  // namespace ember::testing
