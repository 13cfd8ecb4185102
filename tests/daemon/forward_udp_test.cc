#include <netinet/in.h>

#include "tests/daemon/forward_context.h"

namespace ember::daemon {
namespace {

using testing::ValueOf;

// A UDP server of the guest.
class UdpServer {
 public:
  uint16_t port() const { return ValueOf(LocalPortOf(fd_.get())); }
  // The next datagram; where it came from is where Send goes.
  std::string Receive() {
    REQUIRE_OK(HostContext::Soon().WaitReadable(fd_.get(), "datagram"));
    std::string bytes(65536, '\0');
    size_ = sizeof(from_);
    const ssize_t got = recvfrom(fd_.get(), bytes.data(), bytes.size(), 0,
                                 reinterpret_cast<sockaddr*>(&from_), &size_);
    bytes.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return bytes;
  }
  void Send(std::string_view bytes) {
    REQUIRE(sendto(fd_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&from_),
                   size_) == static_cast<ssize_t>(bytes.size()));
  }

 private:
  UniqueFd fd_ = ValueOf(BindUdp("127.0.0.1", 0));
  sockaddr_in from_{};
  socklen_t size_ = 0;
};

class UdpClient {
 public:
  explicit UdpClient(const state::ForwardSide& to) : fd_(ValueOf(ConnectUdp(to.ip, to.port))) {}
  void Send(std::string_view bytes) {
    REQUIRE(send(fd_.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  }
  std::string Receive() {
    REQUIRE_OK(HostContext::Soon().WaitReadable(fd_.get(), "datagram"));
    std::string bytes(65536, '\0');
    const ssize_t got = recv(fd_.get(), bytes.data(), bytes.size(), 0);
    bytes.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return bytes;
  }

 private:
  UniqueFd fd_;
};

TEST_CASE("datagrams go to the guest and back, each client's to itself", "[daemon][forward]") {
  ForwardContext context;
  UdpServer server;
  const ForwardView forward = ValueOf(context.Add(Udp(0), Udp(server.port())));
  UdpClient one(forward.forward.host);
  UdpClient two(forward.forward.host);
  one.Send("first");
  CHECK(server.Receive() == "first");
  server.Send("to one");
  CHECK(one.Receive() == "to one");
  two.Send("second");
  CHECK(server.Receive() == "second");
  server.Send("to two");
  CHECK(two.Receive() == "to two");
  CHECK(context.Forwards().at(0).connections == 2);
}

TEST_CASE("the largest and the smallest datagram arrive whole", "[daemon][forward]") {
  ForwardContext context;
  UdpServer server;
  const ForwardView forward = ValueOf(context.Add(Udp(0), Udp(server.port())));
  UdpClient client(forward.forward.host);
  client.Send("");
  CHECK(server.Receive().empty());
  const std::string largest(65507, 'x');
  client.Send(largest);
  const bool same = server.Receive() == largest;
  CHECK(same);
}

TEST_CASE("a client that comes while the VM is off is served once it runs", "[daemon][forward]") {
  ForwardContext context;
  UdpServer server;
  const ForwardView forward = ValueOf(context.Add(Udp(0), Udp(server.port())));
  UdpClient client(forward.forward.host);
  client.Send("one");
  CHECK(server.Receive() == "one");
  REQUIRE_OK(context.Stop("web"));
  client.Send("lost");
  CHECK(context.Becomes([](const ForwardView& view) { return view.connections == 0; }));
  REQUIRE_OK(context.RestartVm("web"));
  client.Send("two");
  // What came while it was off may have found the way or not.
  std::string next = server.Receive();
  if (next == "lost") next = server.Receive();
  CHECK(next == "two");
}

TEST_CASE("no more than 256 clients are served at a time", "[daemon][forward]") {
  ForwardContext context;
  UdpServer server;
  const ForwardView forward = ValueOf(context.Add(Udp(0), Udp(server.port())));
  std::vector<UdpClient> clients;
  for (int i = 0; i < 260; ++i) {
    clients.emplace_back(forward.forward.host);
    clients.back().Send("hello");
  }
  for (int i = 0; i < 256; ++i) CHECK(server.Receive() == "hello");
  CHECK(context.Forwards().at(0).connections == 256);
}

}  // namespace
}  // namespace ember::daemon
