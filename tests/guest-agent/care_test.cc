// The care of the guest over the framed protocol: numbers, ports, the clock.
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/guest-agent/framed_client.h"

using namespace ember;
using namespace ember::testing;

namespace {

v1::ClientFrame WaitPortFrame(uint32_t port) {
  v1::ClientFrame frame;
  frame.mutable_wait_port()->set_tcp_port(port);
  return frame;
}

// A TCP socket with a port of its own that does not listen yet.
class BoundSocket {
 public:
  explicit BoundSocket(int family) : fd_(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in6 address{};  // large enough for both; all zeros: any address, any port
    address.sin6_family = static_cast<sa_family_t>(family);
    socklen_t size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    bound_ = fd_.valid() && bind(fd_.get(), generic, size) == 0 &&
             getsockname(fd_.get(), generic, &size) == 0;
    port_ = ntohs(address.sin6_port);
  }
  bool bound() const { return bound_; }
  uint16_t port() const { return port_; }
  void Listen() { REQUIRE(listen(fd_.get(), 1) == 0); }

 private:
  UniqueFd fd_;
  bool bound_ = false;
  uint16_t port_ = 0;
};

bool IsReadable(int fd) {
  return Cancellation::After(absl::Milliseconds(150)).WaitReadable(fd, "x").ok();
}

}  // namespace

TEST_CASE("the agent says that it can care", "[agent][care]") {
  AgentProcess agent;
  FramedClient client(agent.DialFramed());
  const auto reply = client.Greet(1);
  const auto& names = reply.hello_reply().capabilities();
  CHECK(std::count(names.begin(), names.end(), "care") == 1);
}

TEST_CASE("the stats are the guest's, and then the agent closes", "[agent][care]") {
  AgentProcess agent;
  FramedClient client(agent);
  v1::ClientFrame frame;
  frame.mutable_get_stats();
  client.Send(frame);
  const auto reply = client.Receive();
  REQUIRE(reply->has_stats());
  CHECK(reply->stats().vcpus() >= 1);
  CHECK(reply->stats().memory_total_bytes() > 0);
  CHECK(reply->stats().processes() >= 1);
  CHECK_FALSE(client.Receive().has_value());
}

TEST_CASE("a port that is listened on is answered at once, IPv4 or IPv6", "[agent][care]") {
  AgentProcess agent;
  for (const int family : {AF_INET, AF_INET6}) {
    BoundSocket socket(family);
    if (!socket.bound()) continue;  // a machine without IPv6
    socket.Listen();
    FramedClient client(agent);
    client.Send(WaitPortFrame(socket.port()));
    CHECK(client.Receive()->has_done());
    CHECK_FALSE(client.Receive().has_value());
  }
}

TEST_CASE("a port is waited for until something listens", "[agent][care]") {
  AgentProcess agent;
  BoundSocket socket(AF_INET);
  REQUIRE(socket.bound());
  FramedClient client(agent);
  client.Send(WaitPortFrame(socket.port()));
  CHECK_FALSE(IsReadable(client.socket()));
  socket.Listen();
  CHECK(client.Receive()->has_done());
}

TEST_CASE("a wait for a port holds up no other session, and ends with its client",
          "[agent][care]") {
  AgentProcess agent;
  BoundSocket socket(AF_INET);
  REQUIRE(socket.bound());
  FramedClient waiting(agent);
  waiting.Send(WaitPortFrame(socket.port()));
  CHECK(Run(agent, Command({"true"})).code == 0);
  waiting.Close();
  CHECK(Run(agent, Command({"true"})).code == 0);
}

TEST_CASE("what is no port is a bad request", "[agent][care]") {
  AgentProcess agent;
  for (const uint32_t port : {0U, 65536U}) {
    FramedClient client(agent);
    client.Send(WaitPortFrame(port));
    CHECK(client.Finish().failure->reason() == v1::Failure::BAD_REQUEST);
  }
}

TEST_CASE("an agent outside of a VM does not touch the clock", "[agent][care]") {
  AgentProcess agent;
  FramedClient client(agent);
  v1::ClientFrame frame;
  frame.mutable_set_clock()->set_unix_ns(absl::ToUnixNanos(absl::Now()));
  client.Send(frame);
  const auto outcome = client.Finish();
  REQUIRE(outcome.failure.has_value());
  CHECK(outcome.failure->reason() == v1::Failure::DENIED);
  CHECK(outcome.failure->message().starts_with("SetClock: "));
}
