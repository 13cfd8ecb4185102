#include "backends/vsock/packet.h"

#include <cstring>
#include <string>

#include "tests/support/catch.h"

namespace ember::vsock {
namespace {

std::vector<iovec> Cut(std::string& bytes, const std::vector<size_t>& lengths) {
  std::vector<iovec> pieces;
  size_t at = 0;
  for (const size_t length : lengths) {
    pieces.push_back({bytes.data() + at, length});
    at += length;
  }
  return pieces;
}

TEST_CASE("a header is found however the packet is scattered", "[vsock][packet]") {
  PacketHeader header;
  header.source_cid = 3;
  header.destination_port = 77;
  header.length = 5;
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof(header));
  bytes += "hello, and more";
  const auto lengths = GENERATE(std::vector<size_t>{59}, std::vector<size_t>{44, 15},
                                std::vector<size_t>{1, 0, 42, 3, 13}, std::vector<size_t>{43, 16});
  const std::vector<iovec> pieces = Cut(bytes, lengths);
  PacketHeader found;
  std::vector<iovec> payload;
  REQUIRE(SplitPacket(pieces, found, payload));
  CHECK(found == header);
  CHECK(TotalBytes(payload) == 5);
  std::string text;
  for (const iovec& piece : payload) text.append(static_cast<char*>(piece.iov_base), piece.iov_len);
  CHECK(text == "hello");
}

TEST_CASE("less than a header is no packet, less than the length is a short payload",
          "[vsock][packet]") {
  PacketHeader header;
  header.length = 100;
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof(header));
  bytes += "abc";
  PacketHeader found;
  std::vector<iovec> payload;
  CHECK_FALSE(SplitPacket(Cut(bytes, {43}), found, payload));
  REQUIRE(SplitPacket(Cut(bytes, {47}), found, payload));
  CHECK(TotalBytes(payload) == 3);
}

TEST_CASE("a header is written over pieces of any length", "[vsock][packet]") {
  PacketHeader header;
  header.forwarded = 0x01020304;
  std::string bytes(50, 'x');
  WriteHeader(header, Cut(bytes, {3, 40, 7}));
  CHECK(std::memcmp(bytes.data(), &header, sizeof(header)) == 0);
  CHECK(bytes.substr(44) == "xxxxxx");
}

TEST_CASE("a slice skips and ends where it is told", "[vsock][packet]") {
  std::string bytes = "0123456789";
  std::vector<iovec> out;
  CHECK(AppendSlice(Cut(bytes, {4, 6}), 3, 4, out) == 4);
  REQUIRE(out.size() == 2);
  CHECK(std::string(static_cast<char*>(out[0].iov_base), out[0].iov_len) == "3");
  CHECK(std::string(static_cast<char*>(out[1].iov_base), out[1].iov_len) == "456");
}

}  // namespace
}  // namespace ember::vsock
