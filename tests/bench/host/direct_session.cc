#include "tests/bench/host/direct_session.h"

#include "base/frame.h"
#include "base/socket.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::bench {
namespace {

using testing::ValueOf;

Cancellation Limit() { return Cancellation::After(absl::Seconds(30)); }

agent::v1::ClientFrame HelloFrame() {
  agent::v1::ClientFrame frame;
  frame.mutable_hello()->mutable_version()->set_major(1);
  return frame;
}

}  // namespace

DirectSession::DirectSession(const std::filesystem::path& socket)
    : fd_(ValueOf(ConnectUnix(socket))) {
  REQUIRE_OK(WriteFully(fd_.get(), "CONNECT 1025\n", Limit()));
  for (char c = 0; c != '\n';) REQUIRE_OK(ReadFully(fd_.get(), &c, 1, Limit()));
}

void DirectSession::Hello() {
  Send(HelloFrame());
  while (!Next().has_hello_reply()) {
  }
}

std::string DirectSession::Run(const std::vector<std::string>& argv) {
  Send(HelloFrame());
  agent::v1::ClientFrame frame;
  for (const std::string& word : argv) frame.mutable_exec_start()->add_argv(word);
  Send(frame);
  std::string output;
  while (true) {
    const agent::v1::AgentFrame answer = Next();
    INFO(answer.failure().message());
    REQUIRE_FALSE(answer.has_failure());
    output += answer.stdout_data().payload();
    if (!answer.has_exec_exited()) continue;
    REQUIRE(answer.exec_exited().code() == 0);
    return output;
  }
}

void DirectSession::Send(const agent::v1::ClientFrame& frame) {
  std::string bytes;
  AppendFrame(frame.SerializeAsString(), bytes);
  REQUIRE_OK(WriteFully(fd_.get(), bytes, Limit()));
}

agent::v1::AgentFrame DirectSession::Next() {
  unsigned char header[4];
  REQUIRE_OK(ReadFully(fd_.get(), reinterpret_cast<char*>(header), sizeof(header), Limit()));
  std::string payload(header[0] | header[1] << 8 | header[2] << 16, '\0');
  REQUIRE_OK(ReadFully(fd_.get(), payload.data(), payload.size(), Limit()));
  agent::v1::AgentFrame frame;
  REQUIRE(frame.ParseFromString(payload));
  return frame;
}

}  // namespace ember::bench
