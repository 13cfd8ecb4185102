#include "tests/cli/fake_processes.h"

#include <future>
#include <string>

#include "base/cancellation.h"
#include "ember/v1/error.pb.h"

namespace ember::testing {
namespace {

using Stream = FakeProcesses::Stream;

template <typename Work>
auto On(Sequence& sequence, Work work) {
  std::promise<decltype(work())> answer;
  auto result = answer.get_future();
  sequence.Post([&answer, &work] { answer.set_value(work()); });
  return result.get();
}

void Out(Stream& stream, const std::string& text) {
  v1::FollowProcessResponse response;
  response.set_stdout_data(text);
  stream.Write(response);
}

void Started(Stream& stream, bool tty) {
  v1::FollowProcessResponse response;
  response.mutable_started()->set_pid(42);
  response.mutable_started()->set_tty(tty);
  response.mutable_started()->set_stdin_credit(tty ? 1000 : 0);
  stream.Write(response);
}

void End(Stream& stream, int code) {
  v1::FollowProcessResponse response;
  response.mutable_exited()->set_code(code);
  stream.Write(response);
}

void ShowSize(Stream& stream, const v1::TerminalSize& size) {
  Out(stream, std::to_string(size.rows()) + "x" + std::to_string(size.columns()) + "\n");
}

void Server(Stream& stream, grpc::ServerContext& context, bool follow) {
  Started(stream, false);
  Out(stream, "one\n");
  v1::FollowProcessResponse response;
  response.set_lost_bytes(1234);
  stream.Write(response);
  response.set_stderr_data("two\n");
  stream.Write(response);
  if (!follow) return;
  Out(stream, "three\n");
  while (!context.IsCancelled()) (void)Cancellation().Pause(absl::Milliseconds(2), "fake");
}

void Shell(Stream& stream, const v1::FollowStart& start) {
  Started(stream, true);
  Out(stream, "ready\n");
  ShowSize(stream, start.tty());
  v1::FollowProcessRequest request;
  while (stream.Read(&request)) {
    if (request.has_resize()) ShowSize(stream, request.resize());
    for (const unsigned char key : request.stdin_data()) {
      if (key == 'x') return End(stream, 5);
      Out(stream, "key " + std::to_string(key) + "\n");
    }
  }
}

grpc::Status NoSuchProcess(grpc::ServerContext& context, const std::string& tag) {
  v1::ErrorDetail detail;
  detail.set_reason("GUEST_NOT_FOUND");
  context.AddTrailingMetadata("ember-error-detail-bin", detail.SerializeAsString());
  return {grpc::NOT_FOUND, "vm 'web': no process has the tag '" + tag + "'"};
}

}  // namespace

v1::SignalProcessRequest FakeProcesses::last_signal() {
  return On(sequence_, [this] { return last_signal_; });
}
v1::FollowStart FakeProcesses::last_follow() {
  return On(sequence_, [this] { return last_follow_; });
}

grpc::Status FakeProcesses::ListProcesses(Context*, const v1::ListProcessesRequest*,
                                          v1::ListProcessesResponse* response) {
  v1::Process& server = *response->add_processes();
  server.set_tag("server");
  server.set_pid(42);
  server.set_running(true);
  server.add_argv("/bin/serve");
  server.add_argv("\x1b[2J");
  server.set_user("root");
  server.mutable_started_at()->set_seconds(1'800'000'000);
  v1::Process& session = *response->add_processes();
  session.set_pid(43);
  session.set_running(true);
  v1::Process& done = *response->add_processes();
  done.set_tag("done");
  done.mutable_exited()->set_code(7);
  v1::Process& killed = *response->add_processes();
  killed.set_tag("killed");
  killed.mutable_exited()->set_signal(9);
  return grpc::Status::OK;
}

grpc::Status FakeProcesses::SignalProcess(Context* context, const v1::SignalProcessRequest* request,
                                          v1::SignalProcessResponse*) {
  On(sequence_, [&] { return last_signal_ = *request, 0; });
  return request->tag() == "server" ? grpc::Status::OK : NoSuchProcess(*context, request->tag());
}

grpc::Status FakeProcesses::FollowProcess(Context* context, Stream* stream) {
  v1::FollowProcessRequest request;
  if (!stream->Read(&request)) return {grpc::INVALID_ARGUMENT, "no start"};
  const v1::FollowStart start = request.start();
  On(sequence_, [&] { return last_follow_ = start, 0; });
  if (start.tag() == "server") {
    Server(*stream, *context, start.follow() || start.attach());
  } else if (start.tag() == "done") {
    Started(*stream, false);
    Out(*stream, "last words\n");
    End(*stream, 7);
  } else if (start.tag() == "shell") {
    Shell(*stream, start);
  } else {
    return NoSuchProcess(*context, start.tag());
  }
  return grpc::Status::OK;
}

}  // namespace ember::testing
