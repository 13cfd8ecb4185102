#include "backends/vsock/handshake.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/socket.h"
#include "tests/backends/vsock/test_device.h"
#include "tests/support/status_matchers.h"

namespace ember::vsock {
namespace {

using ember::testing::ValueOf;
using Progress = HandshakeReader::Progress;

TEST_CASE("a CONNECT line is read as Firecracker reads it", "[vsock][handshake]") {
  CHECK(ParseConnectLine("CONNECT 1024") == 1024U);
  CHECK(ParseConnectLine("connect 1") == 1U);
  CHECK(ParseConnectLine("CoNnEcT\t 4294967295\r") == 4294967295U);
  CHECK(ParseConnectLine("  CONNECT 7 and more") == 7U);
  CHECK_FALSE(ParseConnectLine("CONNECT").has_value());
  CHECK_FALSE(ParseConnectLine("CONNECT ").has_value());
  CHECK_FALSE(ParseConnectLine("CONNECT x").has_value());
  CHECK_FALSE(ParseConnectLine("CONNECT 12x").has_value());
  CHECK_FALSE(ParseConnectLine("CONNECT -1").has_value());
  CHECK_FALSE(ParseConnectLine("CONNECT 4294967296").has_value());
  CHECK_FALSE(ParseConnectLine("CONNECTS 1").has_value());
  CHECK_FALSE(ParseConnectLine("").has_value());
}

TEST_CASE("the answer is byte-exact", "[vsock][handshake]") {
  CHECK(FormatOkLine(1073741824) == "OK 1073741824\n");
}

TEST_CASE("a line that comes in pieces is put together, what follows stays in the socket",
          "[vsock][handshake]") {
  auto [client, device] = ValueOf(SocketPair());
  HandshakeReader reader;
  CHECK(reader.Read(device.get()) == Progress::kMore);
  testing::WriteBytes(client.get(), "CONN");
  CHECK(reader.Read(device.get()) == Progress::kMore);
  testing::WriteBytes(client.get(), "ECT 52\nrest");
  CHECK(reader.Read(device.get()) == Progress::kDone);
  CHECK(reader.port() == 52);
  CHECK(testing::ReadBytes(device.get(), 4) == "rest");
}

TEST_CASE("a line of more than 32 bytes is refused", "[vsock][handshake]") {
  auto [client, device] = ValueOf(SocketPair());
  HandshakeReader reader;
  SECTION("32 bytes with the line end are taken") {
    testing::WriteBytes(client.get(), "CONNECT 1" + std::string(22, ' ') + "\n");
    CHECK(reader.Read(device.get()) == Progress::kDone);
  }
  SECTION("33 are not") {
    testing::WriteBytes(client.get(), "CONNECT 1" + std::string(23, ' ') + "\n");
    CHECK(reader.Read(device.get()) == Progress::kBad);
  }
}

TEST_CASE("a client that leaves within its line is refused", "[vsock][handshake]") {
  auto [client, device] = ValueOf(SocketPair());
  testing::WriteBytes(client.get(), "CONNECT 1");
  client.Reset();
  HandshakeReader reader;
  CHECK(reader.Read(device.get()) == Progress::kMore);
  CHECK(reader.Read(device.get()) == Progress::kBad);
}

}  // namespace
}  // namespace ember::vsock
