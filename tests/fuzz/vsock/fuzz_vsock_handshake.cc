// The client's line, cut into pieces: the reader must take the same port as the parser would of the
// whole line, and nothing behind it.

#include <sys/socket.h>

#include "backends/vsock/handshake.h"
#include "base/check.h"
#include "base/socket.h"
#include "tests/fuzz/vsock/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using ember::vsock::HandshakeReader;
  ember::fuzz::Input input(bytes, std::min<size_t>(size, 256));
  auto pair = ember::SocketPair();
  if (!pair.ok()) return 0;
  HandshakeReader reader;
  std::string sent;
  auto progress = HandshakeReader::Progress::kMore;
  while (!input.empty() && progress == HandshakeReader::Progress::kMore) {
    const std::string_view piece = input.TakeBytes(1 + input.Take<uint8_t>() % 40);
    sent += piece;
    send(pair->first.get(), piece.data(), piece.size(), MSG_DONTWAIT);
    progress = reader.Read(pair->second.get());
  }
  const size_t newline = sent.find('\n');
  if (progress == HandshakeReader::Progress::kDone) {
    EMBER_CHECK(newline < ember::vsock::kMaxConnectLine);
    EMBER_CHECK(ember::vsock::ParseConnectLine(sent.substr(0, newline)) == reader.port());
    char rest[256];
    const ssize_t left = recv(pair->second.get(), rest, sizeof(rest), MSG_DONTWAIT);
    EMBER_CHECK(std::max<ssize_t>(left, 0) == static_cast<ssize_t>(sent.size() - newline - 1));
  } else if (progress == HandshakeReader::Progress::kMore) {
    EMBER_CHECK(newline == std::string::npos && sent.size() < ember::vsock::kMaxConnectLine);
  }
  return 0;
}
