#include "tests/cli/fake_exec.h"

#include <csignal>
#include <functional>
#include <map>
#include <vector>

namespace ember::testing {
namespace {

using Stream = grpc::ServerReaderWriter<v1::ExecResponse, v1::ExecRequest>;

// How much input may be under way; less than one piece that the client reads.
constexpr int64_t kCredit = 50'000;

// One running command.
class FakeExec {
 public:
  FakeExec(const v1::ExecStart& start, grpc::ServerContext& context, Stream& stream)
      : start_(start), context_(context), stream_(stream) {}

  FakeExecFailure Run() {
    const std::map<std::string, std::function<void()>> commands = {
        {"cat", [this] { Cat(); }},
        {"flood", [this] { Flood(); }},
        {"both", [this] { Both(); }},
        {"argv", [this] { Argv(); }},
        {"exit", [this] { End(std::stoi(start_.argv(1))); }},
        {"die", [this] { Die(); }},
        {"signals", [this] { Signals(); }},
        {"sizes", [this] { Sizes(); }},
        {"keys", [this] { Keys(); }},
        {"sleep", [this] { TimeOut(); }},
        {"/bin/sh", [this] { ShellLine(); }},
    };
    const std::string& program = start_.argv(0);
    if (program == "went-away") {
      return {grpc::UNAVAILABLE, "vm '" + start_.vm() + "' went away", "VM_WENT_AWAY"};
    }
    if (program == "not-executable") {
      return {grpc::PERMISSION_DENIED, "cannot execute", "EXEC_CANNOT_EXECUTE"};
    }
    const auto command = commands.find(program);
    if (command == commands.end()) return {grpc::NOT_FOUND, "not found", "EXEC_NOT_FOUND"};
    v1::ExecResponse started;
    if (start_.has_detach()) {
      const std::string& tag = start_.detach().tag();
      started.mutable_started()->set_tag(tag.empty() ? "made-up" : tag);
      stream_.Write(started);
      return {};
    }
    started.mutable_started()->set_pid(42);
    started.mutable_started()->set_stdin_credit(kCredit);
    stream_.Write(started);
    command->second();
    if (credit_ < 0) return {grpc::RESOURCE_EXHAUSTED, "more input than credit", ""};
    return {};
  }

 private:
  // The next request; false at the end, and after more input than there was credit for.
  bool Read(v1::ExecRequest& request) {
    if (!stream_.Read(&request)) return false;
    credit_ -= static_cast<int64_t>(request.stdin_data().size());
    return credit_ >= 0;
  }
  void GiveCredit(size_t bytes) {
    credit_ += static_cast<int64_t>(bytes);
    v1::ExecResponse response;
    response.set_stdin_credit(bytes);
    stream_.Write(response);
  }
  void Out(const std::string& text) {
    v1::ExecResponse response;
    response.set_stdout_data(text);
    stream_.Write(response);
  }
  void End(int code) {
    v1::ExecResponse response;
    response.mutable_exited()->set_code(code);
    stream_.Write(response);
  }
  void Cat() {
    v1::ExecRequest request;
    while (Read(request) && !request.has_stdin_end()) {
      Out(request.stdin_data());
      GiveCredit(request.stdin_data().size());
    }
    End(0);
  }
  void Flood() {
    while (!context_.IsCancelled()) Out(std::string(64 * 1024, 'x'));
  }
  void Both() {
    Out("out\n");
    v1::ExecResponse response;
    response.set_stderr_data("err\n");
    stream_.Write(response);
    End(0);
  }
  void Argv() {
    for (const std::string& argument : start_.argv()) Out(argument + "\n");
    End(0);
  }
  void ShellLine() {
    Out(start_.argv(1) + " " + start_.argv(2) + "\n");
    End(0);
  }
  void Die() {
    v1::ExecResponse response;
    response.mutable_exited()->set_signal(static_cast<uint32_t>(std::stoi(start_.argv(1))));
    stream_.Write(response);
  }
  void Signals() {
    Out("ready\n");
    v1::ExecRequest request;
    while (Read(request)) {
      if (request.signal() == 0) continue;
      Out("signal " + std::to_string(request.signal()) + "\n");
      if (request.signal() == SIGTERM) return End(0);
    }
  }
  void ShowSize(const v1::TerminalSize& size) {
    Out(std::to_string(size.rows()) + "x" + std::to_string(size.columns()) + "\n");
  }
  void Sizes() {
    ShowSize(start_.tty());
    v1::ExecRequest request;
    while (Read(request)) {
      if (request.has_resize()) ShowSize(request.resize());
      if (request.stdin_data().find('q') != std::string::npos) break;
    }
    End(0);
  }
  void Keys() {
    Out("ready\n");
    v1::ExecRequest request;
    while (Read(request)) {
      for (const unsigned char key : request.stdin_data()) {
        if (key == 'q') return End(7);
        Out("key " + std::to_string(key) + "\n");
      }
    }
  }
  void TimeOut() {
    if (!start_.has_timeout()) return End(0);
    v1::ExecResponse response;
    response.mutable_exited()->set_signal(SIGKILL);
    response.mutable_exited()->set_timed_out(true);
    stream_.Write(response);
  }

  const v1::ExecStart& start_;
  grpc::ServerContext& context_;
  Stream& stream_;
  int64_t credit_ = kCredit;  // what the client may still send
};

}  // namespace

FakeExecFailure RunFakeExec(const v1::ExecStart& start, grpc::ServerContext& context,
                            Stream& stream) {
  return FakeExec(start, context, stream).Run();
}

}  // namespace ember::testing
