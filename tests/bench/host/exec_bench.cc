// Where the time of `ember exec VM -- true` goes.
#include <cstdio>

#include "base/frame.h"
#include "base/socket.h"
#include "ember/agent/v1/agent.pb.h"
#include "tests/bench/host/samples.h"
#include "tests/e2e/installation.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::bench {
namespace {

using testing::ValueOf;

const Cancellation Limit() { return Cancellation::After(absl::Seconds(30)); }

// A session with the agent straight through the device's socket, without the daemon.
class DirectSession {
 public:
  explicit DirectSession(const std::filesystem::path& socket) : fd_(ValueOf(ConnectUnix(socket))) {
    REQUIRE_OK(WriteFully(fd_.get(), "CONNECT 1025\n", Limit()));
    for (char c = 0; c != '\n';) REQUIRE_OK(ReadFully(fd_.get(), &c, 1, Limit()));
  }

  void Hello() {
    agent::v1::ClientFrame frame;
    frame.mutable_hello()->mutable_version()->set_major(1);
    Send(frame);
    while (!Next().has_hello_reply()) {
    }
  }

  void RunTrue() {
    agent::v1::ClientFrame frame;
    frame.mutable_hello()->mutable_version()->set_major(1);
    Send(frame);
    frame.mutable_exec_start()->add_argv("/bin/true");
    Send(frame);
    while (!Next().has_exec_exited()) {
    }
  }

 private:
  void Send(const agent::v1::ClientFrame& frame) {
    std::string bytes;
    AppendFrame(frame.SerializeAsString(), bytes);
    REQUIRE_OK(WriteFully(fd_.get(), bytes, Limit()));
  }

  agent::v1::AgentFrame Next() {
    char header[4];
    REQUIRE_OK(ReadFully(fd_.get(), header, sizeof(header), Limit()));
    std::string payload(
        static_cast<unsigned char>(header[0]) | static_cast<unsigned char>(header[1]) << 8, '\0');
    REQUIRE_OK(ReadFully(fd_.get(), payload.data(), payload.size(), Limit()));
    agent::v1::AgentFrame frame;
    REQUIRE(frame.ParseFromString(payload));
    return frame;
  }

  UniqueFd fd_;
};

TEST_CASE("where the time of an exec goes", "[exec]") {
  if (!testing::PreparedState().has_value()) EMBER_SKIP("EMBER_TEST_STATE is not set");
  constexpr int kRounds = 100;
  testing::Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web");
  const std::filesystem::path device = ember.VmDir("web") / "v.sock";

  Samples whole, start, call, session, greeting;
  for (int round = 0; round < kRounds; ++round) {
    whole.Add(
        TimeOfProgram(ember.EmberTool({"exec", "web", "--no-stdin", "--", "/bin/true", ""}).argv));
    start.Add(TimeOfProgram({std::string(EMBER_BIN_DIR) + "/ember", "--help"}));
    call.Add(TimeOfProgram(ember.EmberTool({"host", "info"}).argv));
    session.Add(TimeOf([&device] { DirectSession(device).RunTrue(); }));
    greeting.Add(TimeOf([&device] { DirectSession(device).Hello(); }));
  }
  const auto ms = [](absl::Duration time) { return absl::ToDoubleMilliseconds(time); };
  std::printf("ember exec web -- true, whole process: %s\n", whole.Describe().c_str());
  std::printf("  start of the CLI (ember --help):     %s\n", start.Describe().c_str());
  std::printf("  one call (ember host info):          %s\n", call.Describe().c_str());
  std::printf("  session past the daemon:             %s\n", session.Describe().c_str());
  std::printf("  its greeting alone (vsock):          %s\n", greeting.Describe().c_str());
  std::printf(
      "shares of the median: CLI start %.2f ms, gRPC and daemon %.2f ms, vsock %.2f ms, guest fork "
      "and exec %.2f ms\n",
      ms(start.Median()), ms(whole.Median() - start.Median() - session.Median()),
      ms(greeting.Median()), ms(session.Median() - greeting.Median()));
}

}  // namespace
}  // namespace ember::bench
