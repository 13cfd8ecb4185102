#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <future>
#include <optional>
#include <string>
#include <vector>

#include "base/inet_socket.h"
#include "tests/guest-agent/framed_client.h"

using namespace ember;
using namespace ember::testing;

namespace {

v1::ClientFrame ConnectTo(uint32_t port) {
  v1::ClientFrame frame;
  frame.mutable_connect_stream()->mutable_address()->set_tcp_port(port);
  return frame;
}
v1::ClientFrame ConnectTo(const std::string& path) {
  v1::ClientFrame frame;
  frame.mutable_connect_stream()->mutable_address()->set_unix_path(path);
  return frame;
}
v1::ClientFrame ListenAt(uint32_t port) {
  v1::ClientFrame frame;
  frame.mutable_listen()->mutable_address()->set_tcp_port(port);
  return frame;
}
v1::ClientFrame ListenAt(const std::string& path) {
  v1::ClientFrame frame;
  frame.mutable_listen()->mutable_address()->set_unix_path(path);
  return frame;
}
v1::ClientFrame Accept(uint64_t token) {
  v1::ClientFrame frame;
  frame.mutable_accept_stream()->set_token(token);
  return frame;
}

// Asks for a stream that opens.
void Open(FramedClient& client, const v1::ClientFrame& request) {
  client.Send(request);
  const auto reply = client.Receive();
  REQUIRE(reply.has_value());
  INFO(reply->failure().message());
  REQUIRE(reply->has_stream_open());
}

// The failure that a request gets.
v1::Failure FailureOf(const AgentProcess& agent, const v1::ClientFrame& request) {
  FramedClient client(agent);
  client.Send(request);
  const auto outcome = client.Finish();
  REQUIRE(outcome.failure.has_value());
  return *outcome.failure;
}

UniqueFd AcceptFrom(const UniqueFd& listener) {
  REQUIRE_OK(Patience().WaitReadable(listener.get(), "connection"));
  return ValueOf(AcceptUnix(listener.get()));
}

std::string Read(int fd, size_t size) {
  std::string bytes(size, '\0');
  REQUIRE_OK(ReadFully(fd, bytes.data(), size, Patience()));
  return bytes;
}

bool AtEnd(int fd) {
  char byte;
  REQUIRE_OK(Patience().WaitReadable(fd, "end"));
  return recv(fd, &byte, 1, 0) <= 0;
}

// A listening session and the port or path that it listens at.
struct Listening {
  explicit Listening(const AgentProcess& agent, const v1::ClientFrame& request) : session(agent) {
    session.Send(request);
    const auto reply = session.Receive();
    REQUIRE(reply.has_value());
    INFO(reply->failure().message());
    REQUIRE(reply->has_listening());
    port = reply->listening().tcp_port();
  }
  uint64_t NextToken() {
    const auto frame = session.Receive();
    REQUIRE(frame.has_value());
    REQUIRE(frame->has_incoming());
    return frame->incoming().token();
  }

  FramedClient session;
  uint32_t port = 0;
};

UniqueFd ConnectTcp(uint16_t port, const std::string& ip = "127.0.0.1") {
  UniqueFd fd = ValueOf(BeginConnectTcp(ip, port));
  REQUIRE_OK(Patience().WaitWritable(fd.get(), "connect"));
  REQUIRE_OK(ConnectOutcome(fd.get()));
  return fd;
}

}  // namespace

TEST_CASE("a stream to a TCP port carries bytes both ways and each half-close", "[agent][stream]") {
  AgentProcess agent;
  const UniqueFd listener = ValueOf(ListenTcp("127.0.0.1", 0));
  FramedClient client(agent);
  Open(client, ConnectTo(ValueOf(LocalPortOf(listener.get()))));
  const UniqueFd server = AcceptFrom(listener);
  client.SendRaw("question");
  shutdown(client.socket(), SHUT_WR);
  CHECK(Read(server.get(), 8) == "question");
  CHECK(AtEnd(server.get()));
  REQUIRE_OK(WriteFully(server.get(), "answer", Patience()));
  CHECK(Read(client.socket(), 6) == "answer");
  shutdown(server.get(), SHUT_WR);
  CHECK(AtEnd(client.socket()));
}

TEST_CASE("the guest may end its half first", "[agent][stream]") {
  AgentProcess agent;
  TempDir dir;
  const UniqueFd listener = ValueOf(ListenUnix(dir / "server", 0600));
  FramedClient client(agent);
  Open(client, ConnectTo((dir / "server").native()));
  const UniqueFd server = AcceptFrom(listener);
  REQUIRE_OK(WriteFully(server.get(), "greeting", Patience()));
  shutdown(server.get(), SHUT_WR);
  CHECK(Read(client.socket(), 8) == "greeting");
  CHECK(AtEnd(client.socket()));
  client.SendRaw("late");
  CHECK(Read(server.get(), 4) == "late");
}

TEST_CASE("bytes right behind the request belong to the stream", "[agent][stream]") {
  AgentProcess agent;
  const UniqueFd listener = ValueOf(ListenTcp("127.0.0.1", 0));
  FramedClient client(agent);
  std::string together;
  AppendFrame(ConnectTo(ValueOf(LocalPortOf(listener.get()))).SerializeAsString(), together);
  client.SendRaw(together + "early");
  CHECK(client.Receive()->has_stream_open());
  CHECK(Read(AcceptFrom(listener).get(), 5) == "early");
}

TEST_CASE("16 MiB each way at once arrive unchanged", "[agent][stream]") {
  AgentProcess agent;
  const UniqueFd listener = ValueOf(ListenTcp("127.0.0.1", 0));
  FramedClient client(agent);
  Open(client, ConnectTo(ValueOf(LocalPortOf(listener.get()))));
  const UniqueFd server = AcceptFrom(listener);
  constexpr size_t kTotal = size_t{16} << 20;
  std::string up(kTotal, '\0'), down(kTotal, '\0');
  for (size_t i = 0; i < kTotal; ++i) {
    up[i] = static_cast<char>(i * 2654435761U >> 13);
    down[i] = static_cast<char>(i * 40503U >> 7);
  }
  const auto write = [](int fd, const std::string& bytes) {
    return std::async(std::launch::async, [fd, &bytes] {
      const absl::Status written = WriteFully(fd, bytes, Patience());
      shutdown(fd, SHUT_WR);
      return written;
    });
  };
  auto upwards = write(client.socket(), up);
  auto downwards = write(server.get(), down);
  auto read_up = std::async(std::launch::async, [&server] {
    std::string bytes(kTotal, '\0');
    return std::pair(ReadFully(server.get(), bytes.data(), kTotal, Patience()), bytes);
  });
  const bool down_same = Read(client.socket(), kTotal) == down;
  CHECK(down_same);
  const auto [read, bytes] = read_up.get();
  REQUIRE_OK(read);
  const bool up_same = bytes == up;
  CHECK(up_same);
  REQUIRE_OK(upwards.get());
  REQUIRE_OK(downwards.get());
}

TEST_CASE("an address that nobody listens at is refused", "[agent][stream]") {
  AgentProcess agent;
  TempDir dir;
  uint16_t port = 0;
  port = ValueOf(LocalPortOf(ValueOf(ListenTcp("127.0.0.1", 0)).get()));
  CHECK(FailureOf(agent, ConnectTo(port)).reason() == v1::Failure::REFUSED);
  CHECK(FailureOf(agent, ConnectTo((dir / "none").native())).reason() == v1::Failure::REFUSED);
}

TEST_CASE("an address that is none is a bad request", "[agent][stream]") {
  AgentProcess agent;
  v1::ClientFrame nothing;
  nothing.mutable_connect_stream();
  for (const auto& request :
       {ConnectTo(0), ConnectTo(65536), ConnectTo(std::string("relative")),
        ConnectTo("/" + std::string(107, 'x')), ConnectTo(std::string("/a\0b", 4)), nothing,
        ListenAt(70000), ListenAt(std::string("here"))}) {
    INFO(request.SerializeAsString());
    CHECK(FailureOf(agent, request).reason() == v1::Failure::BAD_REQUEST);
  }
}

TEST_CASE("a stream to the loopback of IPv6 is found", "[agent][stream]") {
  const auto listener = ListenTcp("::1", 0);
  if (!listener.ok()) EMBER_SKIP("this host has no IPv6");
  AgentProcess agent;
  FramedClient client(agent);
  Open(client, ConnectTo(ValueOf(LocalPortOf(listener->get()))));
}

TEST_CASE("streams end with the agent", "[agent][stream]") {
  AgentProcess agent;
  const UniqueFd listener = ValueOf(ListenTcp("127.0.0.1", 0));
  FramedClient client(agent);
  Open(client, ConnectTo(ValueOf(LocalPortOf(listener.get()))));
  const UniqueFd server = AcceptFrom(listener);
  CHECK(ValueOf(agent.Stop()).code == 0);
  CHECK(AtEnd(server.get()));
  CHECK(AtEnd(client.socket()));
}

TEST_CASE("a connection to a listening session is fetched by its token", "[agent][stream]") {
  AgentProcess agent;
  Listening listening(agent, ListenAt(0));
  REQUIRE(listening.port != 0);
  const UniqueFd visitor = ConnectTcp(static_cast<uint16_t>(listening.port));
  FramedClient client(agent);
  Open(client, Accept(listening.NextToken()));
  client.SendRaw("welcome");
  CHECK(Read(visitor.get(), 7) == "welcome");
  REQUIRE_OK(WriteFully(visitor.get(), "thanks", Patience()));
  CHECK(Read(client.socket(), 6) == "thanks");
}

TEST_CASE("a token is good for one connection, and no other is good for any", "[agent][stream]") {
  AgentProcess agent;
  Listening listening(agent, ListenAt(0));
  const UniqueFd visitor = ConnectTcp(static_cast<uint16_t>(listening.port));
  const uint64_t token = listening.NextToken();
  CHECK(FailureOf(agent, Accept(token + 1)).reason() == v1::Failure::NOT_FOUND);
  FramedClient client(agent);
  Open(client, Accept(token));
  CHECK(FailureOf(agent, Accept(token)).reason() == v1::Failure::NOT_FOUND);
}

TEST_CASE("a listening Unix socket is root's alone and goes with its session", "[agent][stream]") {
  AgentProcess agent;
  TempDir dir;
  const std::filesystem::path path = dir / "listener";
  std::optional<UniqueFd> visitor;
  {
    Listening listening(agent, ListenAt(path.native()));
    CHECK((std::filesystem::status(path).permissions() & std::filesystem::perms::all) ==
          (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
    CHECK(FailureOf(agent, ListenAt(path.native())).reason() == v1::Failure::EXISTS);
    visitor = ValueOf(ConnectUnix(path));
    listening.NextToken();
  }
  CHECK(Eventually([&path] { return !std::filesystem::exists(path); }));
  CHECK(AtEnd(visitor->get()));  // it was never fetched
}

TEST_CASE("a port that is taken can't be listened at", "[agent][stream]") {
  AgentProcess agent;
  const UniqueFd taken = ValueOf(ListenTcp("127.0.0.1", 0));
  CHECK(FailureOf(agent, ListenAt(ValueOf(LocalPortOf(taken.get())))).reason() ==
        v1::Failure::EXISTS);
}

TEST_CASE("connections that nobody fetches wait in bounded number", "[agent][stream]") {
  AgentProcess agent;
  Listening listening(agent, ListenAt(0));
  std::vector<UniqueFd> visitors;
  for (int i = 0; i < 130; ++i) {
    visitors.push_back(ConnectTcp(static_cast<uint16_t>(listening.port)));
  }
  std::vector<uint64_t> tokens;
  for (int i = 0; i < 128; ++i) tokens.push_back(listening.NextToken());
  // The next one is told of once there is room for it.
  FramedClient client(agent);
  Open(client, Accept(tokens[0]));
  const uint64_t next = listening.NextToken();
  CHECK(std::find(tokens.begin(), tokens.end(), next) == tokens.end());
}

TEST_CASE("datagrams go both ways and nothing is lost for want of a listener", "[agent][stream]") {
  AgentProcess agent;
  uint16_t port = 0;
  {
    const UniqueFd gone = ValueOf(BindUdp("127.0.0.1", 0));
    port = ValueOf(LocalPortOf(gone.get()));
  }
  FramedClient client(agent);
  v1::ClientFrame open;
  open.mutable_open_datagrams()->set_udp_port(port);
  client.Send(open);
  REQUIRE(client.Receive()->has_datagrams_open());
  v1::ClientFrame ping;
  ping.mutable_datagram()->set_payload("nobody hears this");
  client.Send(ping);
  // Its refusal is swallowed; the session goes on and meets the next listener.
  const UniqueFd server = ValueOf(BindUdp("127.0.0.1", port));
  char bytes[64];
  sockaddr_in from{};
  socklen_t size = sizeof(from);
  ping.mutable_datagram()->set_payload("ping");
  ssize_t got = -1;
  REQUIRE(Eventually([&] {
    client.Send(ping);
    got =
        recvfrom(server.get(), bytes, sizeof(bytes), 0, reinterpret_cast<sockaddr*>(&from), &size);
    return got > 0 && std::string_view(bytes, static_cast<size_t>(got)) == "ping";
  }));
  REQUIRE(sendto(server.get(), "pong", 4, 0, reinterpret_cast<sockaddr*>(&from), size) == 4);
  CHECK(client.Receive()->datagram().payload() == "pong");
}

TEST_CASE("datagrams that the client does not take are dropped, not kept", "[agent][stream]") {
  AgentProcess agent;
  const UniqueFd server = ValueOf(BindUdp("127.0.0.1", 0));
  FramedClient client(agent);
  v1::ClientFrame open;
  open.mutable_open_datagrams()->set_udp_port(ValueOf(LocalPortOf(server.get())));
  client.Send(open);
  REQUIRE(client.Receive()->has_datagrams_open());
  v1::ClientFrame ping;
  ping.mutable_datagram()->set_payload("ping");
  client.Send(ping);
  REQUIRE_OK(Patience().WaitReadable(server.get(), "ping"));
  char bytes[16];
  sockaddr_in from{};
  socklen_t size = sizeof(from);
  REQUIRE(recvfrom(server.get(), bytes, sizeof(bytes), 0, reinterpret_cast<sockaddr*>(&from),
                   &size) == 4);
  const size_t before = agent.StatusKib("VmRSS");
  const std::string large(32 << 10, 'x');
  for (int i = 0; i < 2048; ++i) {  // 64 MiB
    sendto(server.get(), large.data(), large.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
  }
  // Another session is served meanwhile.
  CHECK(Run(agent, Command({"true"})).code == 0);
  const size_t grown = agent.StatusKib("VmRSS") - std::min(before, agent.StatusKib("VmRSS"));
  CHECK(grown < (large.size() * 2048) >> 10);
}

TEST_CASE("a datagram session takes nothing but datagrams", "[agent][stream]") {
  AgentProcess agent;
  for (const bool too_large : {true, false}) {
    FramedClient client(agent);
    v1::ClientFrame frame;
    frame.mutable_open_datagrams()->set_udp_port(9);
    client.Send(frame);
    REQUIRE(client.Receive()->has_datagrams_open());
    frame.Clear();
    if (too_large) {
      frame.mutable_datagram()->set_payload(std::string(65508, 'x'));
    } else {
      frame.mutable_stdin_end();
    }
    client.Send(frame);
    CHECK(client.Finish().failure->reason() == v1::Failure::BAD_REQUEST);
  }
}
