#pragma once

#include <sys/socket.h>

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/frame.h"
#include "ember/agent/v1/agent.pb.h"
#include "tests/guest-agent/agent_process.h"

namespace ember::testing {

namespace v1 = ::ember::agent::v1;

// One connection to the framed port, used step by step.
class FramedClient {
 public:
  // What a session gave until its connection ended.
  struct Outcome {
    std::string out;
    std::string err;
    uint64_t credit = 0;
    std::optional<int> code;
    std::optional<int> signal;
    std::optional<v1::Failure> failure;
    uint64_t lost = 0;
    bool follow_ended = false;
    std::optional<v1::ProcessList> list;
    bool done = false;
  };

  // Says Hello and takes the reply.
  explicit FramedClient(const AgentProcess& agent) : FramedClient(agent.DialFramed()) { Greet(1); }
  // Says nothing yet.
  explicit FramedClient(UniqueFd socket) : socket_(std::move(socket)) {}

  void Send(const v1::ClientFrame& frame) {
    std::string bytes;
    AppendFrame(frame.SerializeAsString(), bytes);
    SendRaw(bytes);
  }
  void SendRaw(std::string_view bytes) { REQUIRE_OK(WriteFully(socket_.get(), bytes, Patience())); }

  v1::AgentFrame Greet(uint32_t major) {
    v1::ClientFrame frame;
    frame.mutable_hello()->mutable_version()->set_major(major);
    frame.mutable_hello()->set_client("test");
    Send(frame);
    auto reply = Receive();
    REQUIRE(reply.has_value());
    return *reply;
  }

  // The next frame, or nothing at the end of the connection.
  std::optional<v1::AgentFrame> Receive() {
    while (true) {
      auto payload = ValueOf(reader_.Next());
      if (payload.has_value()) {
        v1::AgentFrame frame;
        REQUIRE(frame.ParseFromArray(payload->data(), static_cast<int>(payload->size())));
        return frame;
      }
      REQUIRE_OK(Patience().WaitReadable(socket_.get(), "agent"));
      std::array<char, 65536> buffer;
      const ssize_t got = recv(socket_.get(), buffer.data(), buffer.size(), 0);
      if (got <= 0) return std::nullopt;
      reader_.Append({buffer.data(), static_cast<size_t>(got)});
    }
  }

  // Asks for an exec; the answer is the next frame.
  void Ask(const v1::ExecStart& start) {
    v1::ClientFrame frame;
    *frame.mutable_exec_start() = start;
    Send(frame);
  }

  // Starts a program that can be started.
  v1::ExecStarted Start(const v1::ExecStart& start) {
    Ask(start);
    const auto reply = Receive();
    REQUIRE(reply.has_value());
    INFO(reply->failure().message());
    REQUIRE(reply->has_exec_started());
    return reply->exec_started();
  }

  // Takes one frame into `outcome`; false at the end.
  bool Take(Outcome& outcome) {
    const auto frame = Receive();
    if (!frame.has_value()) return false;
    outcome.out += frame->stdout_data().payload();
    outcome.err += frame->stderr_data().payload();
    outcome.credit += frame->stdin_credit().bytes();
    outcome.lost += frame->output_lost().bytes();
    if (frame->has_follow_ended()) outcome.follow_ended = true;
    if (frame->has_process_list()) outcome.list = frame->process_list();
    if (frame->has_done()) outcome.done = true;
    if (frame->has_failure()) outcome.failure = frame->failure();
    if (frame->has_exec_exited() && frame->exec_exited().how_case() == v1::ExecExited::kCode) {
      outcome.code = frame->exec_exited().code();
    }
    if (frame->has_exec_exited() && frame->exec_exited().how_case() == v1::ExecExited::kSignal) {
      outcome.signal = static_cast<int>(frame->exec_exited().signal());
    }
    return true;
  }

  // Everything up to the end of the connection.
  Outcome Finish() {
    Outcome outcome;
    while (Take(outcome)) {
    }
    return outcome;
  }
  // Everything until standard output holds `text`.
  void WaitForOutput(std::string_view text) {
    Outcome outcome;
    while (outcome.out.find(text) == std::string::npos) REQUIRE(Take(outcome));
  }

  void Input(std::string_view bytes) {
    v1::ClientFrame frame;
    frame.mutable_stdin_data()->set_payload(std::string(bytes));
    Send(frame);
  }
  void EndInput() {
    v1::ClientFrame frame;
    frame.mutable_stdin_end();
    Send(frame);
  }
  void Signal(uint32_t number) {
    v1::ClientFrame frame;
    frame.mutable_signal()->set_number(number);
    Send(frame);
  }
  void Resize(uint32_t rows, uint32_t columns) {
    v1::ClientFrame frame;
    frame.mutable_resize()->set_rows(rows);
    frame.mutable_resize()->set_columns(columns);
    Send(frame);
  }
  void Close() { socket_.Reset(); }
  int socket() const { return socket_.get(); }

 private:
  UniqueFd socket_;
  FrameReader reader_;
};

inline v1::ExecStart Command(const std::vector<std::string>& argv) {
  v1::ExecStart start;
  for (const std::string& word : argv) start.add_argv(word);
  return start;
}
inline v1::ExecStart Shell(const std::string& script) { return Command({"sh", "-c", script}); }

inline FramedClient::Outcome Run(const AgentProcess& agent, const v1::ExecStart& start) {
  FramedClient client(agent);
  client.Ask(start);
  return client.Finish();
}

}  // namespace ember::testing
