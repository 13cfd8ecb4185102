#include "base/inet_socket.h"

#include <sys/socket.h>

#include "base/cancellation.h"
#include "base/socket.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember {
namespace {

using testing::ValueOf;

Cancellation Limit() { return Cancellation::After(absl::Seconds(10)); }

TEST_CASE("a TCP connection is made and takes bytes", "[base][inet_socket]") {
  const UniqueFd listener = ValueOf(ListenTcp("127.0.0.1", 0));
  const uint16_t port = ValueOf(LocalPortOf(listener.get()));
  const UniqueFd client = ValueOf(BeginConnectTcp("127.0.0.1", port));
  REQUIRE_OK(Limit().WaitWritable(client.get(), "connect"));
  REQUIRE_OK(ConnectOutcome(client.get()));
  REQUIRE_OK(Limit().WaitReadable(listener.get(), "accept"));
  const UniqueFd server = ValueOf(AcceptUnix(listener.get()));
  REQUIRE_OK(WriteFully(client.get(), "hello", Limit()));
  char bytes[5];
  REQUIRE_OK(ReadFully(server.get(), bytes, sizeof(bytes), Limit()));
  CHECK(std::string_view(bytes, 5) == "hello");
}

TEST_CASE("a port that another socket has is refused by name", "[base][inet_socket]") {
  const UniqueFd tcp = ValueOf(ListenTcp("127.0.0.1", 0));
  const uint16_t tcp_port = ValueOf(LocalPortOf(tcp.get()));
  const absl::Status again = ListenTcp("127.0.0.1", tcp_port).status();
  CHECK(absl::IsAlreadyExists(again));
  CHECK(Message(again) == fmt::format("bind 127.0.0.1:{}: another socket has it", tcp_port));
  const UniqueFd udp = ValueOf(BindUdp("127.0.0.1", 0));
  const uint16_t udp_port = ValueOf(LocalPortOf(udp.get()));
  CHECK(absl::IsAlreadyExists(BindUdp("127.0.0.1", udp_port).status()));
}

TEST_CASE("datagrams go both ways between two UDP sockets", "[base][inet_socket]") {
  const UniqueFd server = ValueOf(BindUdp("127.0.0.1", 0));
  const UniqueFd client = ValueOf(ConnectUdp("127.0.0.1", ValueOf(LocalPortOf(server.get()))));
  REQUIRE(send(client.get(), "ping", 4, 0) == 4);
  REQUIRE_OK(Limit().WaitReadable(server.get(), "datagram"));
  char bytes[16];
  sockaddr_storage from{};
  socklen_t size = sizeof(from);
  REQUIRE(recvfrom(server.get(), bytes, sizeof(bytes), 0, reinterpret_cast<sockaddr*>(&from),
                   &size) == 4);
  REQUIRE(sendto(server.get(), "pong", 4, 0, reinterpret_cast<sockaddr*>(&from), size) == 4);
  REQUIRE_OK(Limit().WaitReadable(client.get(), "datagram"));
  CHECK(recv(client.get(), bytes, sizeof(bytes), 0) == 4);
}

TEST_CASE("what is no IP address is refused", "[base][inet_socket]") {
  for (const char* ip : {"", "localhost", "127.0.0", "::g"}) {
    INFO(ip);
    CHECK(absl::IsInvalidArgument(ListenTcp(ip, 0).status()));
    CHECK(absl::IsInvalidArgument(ConnectUdp(ip, 1).status()));
  }
}

}  // namespace
}  // namespace ember
