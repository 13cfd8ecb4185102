// The data plane as a driver sees it: a real worker, a fake driver that owns the rings.

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/socket.h"
#include "tests/backends/vsock/test_device.h"
#include "tests/support/status_matchers.h"

namespace ember::vsock::testing {
namespace {

using ember::testing::ValueOf;
using vhost_user::Descriptor;

constexpr uint32_t kPort = 5000;

// Collects payload from the guest's side until `size` bytes are there, giving credit as it comes.
std::string Collect(TestDevice& device, uint32_t host_port, size_t size) {
  FakeDriver& driver = device.driver();
  std::string bytes;
  while (bytes.size() < size) {
    const FakeDriver::Packet packet = driver.Receive();
    if (packet.header.op() != Operation::kReadWrite) continue;
    bytes += packet.payload;
    driver.forwarded += static_cast<uint32_t>(packet.payload.size());
    driver.Send(driver.Header(Operation::kCreditUpdate, kPort, host_port));
  }
  return bytes;
}

// A program's end may be seen before its hang-up; the guest is told both in the end.
void ReceiveFullShutdown(FakeDriver& driver) {
  FakeDriver::Packet packet = driver.Receive();
  if (packet.header.flags == kShutdownSend) packet = driver.Receive();
  CHECK(packet.header.op() == Operation::kShutdown);
  CHECK(packet.header.flags == kShutdownBoth);
}

TEST_CASE("a host program connects, both sides exchange bytes in every chain style",
          "[vsock][device]") {
  TestDevice::Options options;
  options.driver.style = GENERATE(ChainStyle::kOne, ChainStyle::kSplit, ChainStyle::kIndirect);
  if (GENERATE(false, true)) options.driver.features |= vhost_user::kFeatureEventIdx;
  options.driver.features |= vhost_user::kFeatureIndirectDescriptors;
  TestDevice device(options);
  TestDevice::Opened opened = device.OpenFromHost(kPort);
  CHECK(opened.host_port >= uint32_t{1} << 30);

  const std::string down = Pattern(20'000);
  WriteBytes(opened.socket.get(), down);
  CHECK(Collect(device, opened.host_port, down.size()) == down);

  const std::string up = Pattern(60'000);
  PacketHeader header = device.driver().Header(Operation::kReadWrite, kPort, opened.host_port);
  header.length = static_cast<uint32_t>(up.size());
  device.driver().Send(header, up);
  CHECK(ReadBytes(opened.socket.get(), up.size()) == up);
}

TEST_CASE("bytes sent behind the CONNECT line belong to the connection", "[vsock][device]") {
  TestDevice device;
  const UniqueFd client = device.Connect("connect 5000\nhello");
  const uint32_t host_port = device.driver().Receive().header.source_port;
  device.driver().Send(device.driver().Header(Operation::kResponse, kPort, host_port));
  CHECK(Collect(device, host_port, 5) == "hello");
}

TEST_CASE("a program that writes and leaves at once is served to the last byte",
          "[vsock][device]") {
  TestDevice device;
  device.Connect("CONNECT 5000\nbye").Reset();
  const uint32_t host_port = device.driver().Receive().header.source_port;
  device.driver().Send(device.driver().Header(Operation::kResponse, kPort, host_port));
  CHECK(Collect(device, host_port, 3) == "bye");
  ReceiveFullShutdown(device.driver());
}

TEST_CASE("a port nobody listens on in the guest is a close without a word", "[vsock][device]") {
  TestDevice device;
  const UniqueFd client = device.Connect("CONNECT 7\n");
  const uint32_t host_port = device.driver().Receive().header.source_port;
  device.driver().Send(device.driver().Header(Operation::kReset, 7, host_port));
  CHECK(ReadToEnd(client.get()).empty());
  CHECK(device.driver().Silent(20));
}

TEST_CASE("a line that is no CONNECT line is a close without a word", "[vsock][device]") {
  TestDevice device;
  const UniqueFd client = device.Connect("GET / HTTP/1.1\r\n\r\n");
  CHECK(ReadToEnd(client.get()).empty());
}

TEST_CASE("the guest connects to a program of the host's", "[vsock][device]") {
  TestDevice device;
  const UniqueFd program = device.OpenFromGuest(1234, 80);
  PacketHeader header = device.driver().Header(Operation::kReadWrite, 1234, 80);
  header.length = 4;
  device.driver().Send(header, "ping");
  CHECK(ReadBytes(program.get(), 4) == "ping");
  WriteBytes(program.get(), "pong");
  CHECK(device.driver().Receive().payload == "pong");
}

TEST_CASE("a guest's connection to a port nobody serves is reset", "[vsock][device]") {
  TestDevice device;
  device.driver().Send(device.driver().Header(Operation::kRequest, 1234, 81));
  const FakeDriver::Packet packet = device.driver().Receive();
  CHECK(packet.header.op() == Operation::kReset);
  CHECK(packet.header.source_port == 81);
  CHECK(packet.header.destination_port == 1234);
}

TEST_CASE("half-close loses no byte in either direction", "[vsock][device]") {
  TestDevice device;
  TestDevice::Opened opened = device.OpenFromHost(kPort);
  const std::string down = Pattern(200'000);
  WriteBytes(opened.socket.get(), std::string_view(down).substr(0, 100'000));
  std::string got = Collect(device, opened.host_port, 100'000);
  WriteBytes(opened.socket.get(), std::string_view(down).substr(100'000));
  shutdown(opened.socket.get(), SHUT_WR);
  got += Collect(device, opened.host_port, 100'000);
  CHECK(got == down);
  FakeDriver::Packet end = device.driver().Receive();
  while (end.header.op() != Operation::kShutdown) end = device.driver().Receive();
  CHECK(end.header.flags == kShutdownSend);

  // The other direction goes on, past what a socket's buffer takes.
  const std::string up = Pattern(64'000);
  PacketHeader header = device.driver().Header(Operation::kReadWrite, kPort, opened.host_port);
  header.length = static_cast<uint32_t>(up.size());
  for (int i = 0; i < 4; ++i) device.driver().Send(header, up);
  PacketHeader both = device.driver().Header(Operation::kShutdown, kPort, opened.host_port);
  both.flags = kShutdownBoth;
  device.driver().Send(both);
  CHECK(ReadToEnd(opened.socket.get()) == up + up + up + up);
  while (end.header.op() != Operation::kReset) end = device.driver().Receive();
}

TEST_CASE("a guest's shutdown of both ways is answered by a reset at once", "[vsock][device]") {
  TestDevice device;
  TestDevice::Opened opened = device.OpenFromHost(kPort);
  PacketHeader header = device.driver().Header(Operation::kShutdown, kPort, opened.host_port);
  header.flags = kShutdownBoth;
  device.driver().Send(header);
  CHECK(device.driver().Receive().header.op() == Operation::kReset);
  CHECK(ReadToEnd(opened.socket.get()).empty());
}

TEST_CASE("a guest's reset does not take back what it sent", "[vsock][device]") {
  TestDevice device;
  TestDevice::Opened opened = device.OpenFromHost(kPort);
  const std::string up = Pattern(64'000);
  PacketHeader header = device.driver().Header(Operation::kReadWrite, kPort, opened.host_port);
  header.length = static_cast<uint32_t>(up.size());
  for (int i = 0; i < 4; ++i) device.driver().Send(header, up);
  device.driver().Send(device.driver().Header(Operation::kReset, kPort, opened.host_port));
  CHECK(ReadToEnd(opened.socket.get()) == up + up + up + up);
}

TEST_CASE("the guest gets credit back at half of the smaller buffer", "[vsock][device]") {
  TestDevice device;
  device.driver().buffer_size = 64 * 1024;  // the guest's own: what a fixed kernel counts against
  TestDevice::Opened opened = device.OpenFromHost(kPort);
  const std::string up = Pattern(32 * 1024);
  PacketHeader header = device.driver().Header(Operation::kReadWrite, kPort, opened.host_port);
  header.length = static_cast<uint32_t>(up.size());
  device.driver().Send(header, up);
  CHECK(ReadBytes(opened.socket.get(), up.size()) == up);
  const FakeDriver::Packet update = device.driver().Receive();
  CHECK(update.header.op() == Operation::kCreditUpdate);
  CHECK(update.header.forwarded == up.size());
  CHECK(update.header.buffer_size == kReceiveBuffer);
}

TEST_CASE("the host's bytes stop at the guest's credit, it is asked, they go on with it",
          "[vsock][device]") {
  TestDevice::Options options;
  options.patience = absl::Milliseconds(300);
  TestDevice device(options);
  device.driver().buffer_size = 6000;
  TestDevice::Opened opened = device.OpenFromHost(kPort);
  const std::string down = Pattern(20'000);
  WriteBytes(opened.socket.get(), down);
  std::string got = device.driver().Receive().payload;
  got += device.driver().Receive().payload;
  CHECK(got.size() == 6000);
  CHECK(device.driver().Receive().header.op() == Operation::kCreditRequest);
  device.driver().forwarded = 6000;
  device.driver().Send(device.driver().Header(Operation::kCreditUpdate, kPort, opened.host_port));
  got += Collect(device, opened.host_port, down.size() - got.size());
  CHECK(got == down);
}

TEST_CASE("a guest that sends beyond its credit is reset", "[vsock][device]") {
  TestDevice device;
  TestDevice::Opened opened = device.OpenFromHost(kPort);
  const std::string up = Pattern(64'000);
  PacketHeader header = device.driver().Header(Operation::kReadWrite, kPort, opened.host_port);
  header.length = static_cast<uint32_t>(up.size());
  // Nobody reads: the socket's own buffer and then the credit run out.
  for (int i = 0; i < 16; ++i) device.driver().Send(header, up);
  FakeDriver::Packet packet = device.driver().Receive();
  while (packet.header.op() != Operation::kReset) packet = device.driver().Receive();
  CHECK(packet.header.source_port == opened.host_port);
}

TEST_CASE("a packet of an unknown connection is reset, a reset is not answered",
          "[vsock][device]") {
  TestDevice device;
  device.driver().Send(device.driver().Header(Operation::kReset, 1, 2));
  CHECK(device.driver().Silent(20));
  device.driver().Send(device.driver().Header(Operation::kReadWrite, 1, 2));
  CHECK(device.driver().Receive().header.op() == Operation::kReset);
}

TEST_CASE("packets from another CID or of another kind reach nobody", "[vsock][device]") {
  TestDevice device;
  TestDevice::Opened opened = device.OpenFromHost(kPort);
  PacketHeader header = device.driver().Header(Operation::kReadWrite, kPort, opened.host_port);
  header.length = 1;
  header.source_cid = 4;
  device.driver().Send(header, "x");
  CHECK(device.driver().Silent(20));
  header.source_cid = 3;
  header.type = 2;
  device.driver().Send(header, "x");
  CHECK(device.driver().Receive().header.op() == Operation::kReset);
  CHECK(ReadToEnd(opened.socket.get()).empty());
}

TEST_CASE("a guest that owes an answer for too long is reset", "[vsock][device]") {
  TestDevice::Options options;
  options.patience = absl::Milliseconds(300);
  TestDevice device(options);
  SECTION("to a request") {
    const UniqueFd client = device.Connect("CONNECT 5000\n");
    CHECK(device.driver().Receive().header.op() == Operation::kRequest);
    CHECK(device.driver().Receive().header.op() == Operation::kReset);
    CHECK(ReadToEnd(client.get()).empty());
  }
  SECTION("to a shutdown") {
    device.OpenFromHost(kPort).socket.Reset();
    ReceiveFullShutdown(device.driver());
    CHECK(device.driver().Receive().header.op() == Operation::kReset);
  }
}

TEST_CASE("clients wait for a guest that is not up yet", "[vsock][device]") {
  TestDevice::Options options;
  options.start = TestDevice::Options::Start::kNoRings;
  options.patience = absl::Milliseconds(30);
  TestDevice device(options);
  const UniqueFd client = device.Connect("CONNECT 5000\n");
  pollfd answer{client.get(), POLLIN, 0};
  CHECK(poll(&answer, 1, 60) == 0);
  device.driver().PostReceiveBuffers(8);
  device.driver().StartRings();
  CHECK(device.driver().Receive().header.op() == Operation::kRequest);
}

TEST_CASE("a pause keeps connections, a new driver ends them", "[vsock][device]") {
  TestDevice device;
  TestDevice::Opened opened = device.OpenFromHost(kPort);
  const uint16_t rx_base = device.driver().StopRing(0);
  const uint16_t tx_base = device.driver().StopRing(1);
  CHECK(tx_base == device.driver().tx_available());
  SECTION("a pause") {
    WriteBytes(opened.socket.get(), "after");
    device.driver().StartRings(rx_base, tx_base);
    CHECK(Collect(device, opened.host_port, 5) == "after");
  }
  SECTION("a new driver") {
    device.driver().StartRings(static_cast<uint16_t>(rx_base + 1), tx_base);
    CHECK(ReadToEnd(opened.socket.get()).empty());
  }
}

TEST_CASE("connections beyond the limit are closed, and room is made by those that end",
          "[vsock][device]") {
  TestDevice::Options options;
  options.max_connections = 3;
  TestDevice device(options);
  std::vector<TestDevice::Opened> opened;
  for (int i = 0; i < 3; ++i) opened.push_back(device.OpenFromHost(kPort));
  const UniqueFd refused = ValueOf(ConnectUnix(device.directory() / "v"));
  CHECK(ReadToEnd(refused.get()).empty());
  device.driver().Send(device.driver().Header(Operation::kRequest, 9, 80));
  CHECK(device.driver().Receive().header.op() == Operation::kReset);
  device.driver().Send(device.driver().Header(Operation::kReset, kPort, opened[0].host_port));
  CHECK(ReadToEnd(opened[0].socket.get()).empty());
  device.OpenFromHost(kPort);
}

TEST_CASE("1,023 connections are open at a time", "[vsock][device]") {
  TestDevice device;
  std::vector<TestDevice::Opened> opened;
  for (size_t i = 0; i < kMaxConnections; ++i) opened.push_back(device.OpenFromHost(kPort));
  const UniqueFd refused = ValueOf(ConnectUnix(device.directory() / "v"));
  CHECK(ReadToEnd(refused.get()).empty());
  WriteBytes(opened.back().socket.get(), "last");
  CHECK(device.driver().Receive().payload == "last");
}

TEST_CASE("a guest without receive buffers holds up nobody but itself", "[vsock][device]") {
  TestDevice::Options options;
  options.driver.rx_buffers = 0;
  TestDevice device(options);
  // The RSTs it is owed pile up to a limit; then it is not listened to.
  for (int i = 0; i < 2048; ++i) {
    device.driver().Send(device.driver().Header(Operation::kReadWrite, 1, 2));
  }
  CHECK(device.driver().TxUsedWithin(1000));
  device.driver().PostReceiveBuffers(16);
  CHECK(device.driver().Receive().header.op() == Operation::kReset);
}

TEST_CASE("a driver that breaks the rules breaks its device only", "[vsock][device]") {
  TestDevice device;
  TestDevice::Opened opened = device.OpenFromHost(kPort);
  FakeDriver& driver = device.driver();
  const uint64_t good = driver.Scratch(64);
  SECTION("a descriptor outside memory") { driver.SendRaw({{0xdead00000000, 44, 0, 0}}); }
  SECTION("a length past the end of memory") { driver.SendRaw({{good, 0xffffffff, 0, 0}}); }
  SECTION("a chain that bites its tail") {
    driver.SendRaw({{good, 44, vhost_user::kDescriptorNext, 0}});
  }
  SECTION("a next index outside the table") {
    driver.SendRaw({{good, 44, vhost_user::kDescriptorNext, 1000}});
  }
  SECTION("an indirect table though none was negotiated") {
    driver.SendRaw({{good, 16, vhost_user::kDescriptorIndirect, 0}});
  }
  SECTION("a packet without a whole header") { driver.SendRaw({{good, 43, 0, 0}}); }
  CHECK(ReadToEnd(opened.socket.get()).empty());
  CHECK_FALSE(driver.TxUsedWithin(20));
  // The control plane still answers, and a driver that starts anew is served.
  driver.StopRing(0);
  driver.StopRing(1);
}

}  // namespace
}  // namespace ember::vsock::testing
