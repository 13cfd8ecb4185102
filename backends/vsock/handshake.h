#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// The text with which a host program asks for a guest's port on the hybrid socket:
//
//   client:  CONNECT <port>\n
//   device:  OK <host port>\n       or nothing and a close, when the guest refuses
//
// From then on the socket carries the connection's bytes. Source: Firecracker's docs/vsock.md.
namespace ember::vsock {

// The longest line with its line end, in bytes.
inline constexpr size_t kMaxConnectLine = 32;

// The port of a line without its line end: the word CONNECT in any case, blanks, a decimal 32-bit
// number; words behind it don't count. Nothing for any other line.
std::optional<uint32_t> ParseConnectLine(std::string_view line);

// "OK <port>\n".
std::string FormatOkLine(uint32_t host_port);

// Reads the client's line from its socket, byte-exact: what the client sent behind it stays in the
// socket. Not thread-safe.
class HandshakeReader {
 public:
  enum class Progress {
    kMore,  // the line is not complete: read again when the socket is readable
    kDone,  // port() is what was asked for
    kBad,   // no such line, an end of file or an error: close without a word
  };

  // Takes what is there. Never blocks.
  Progress Read(int socket);
  uint32_t port() const { return port_; }

 private:
  std::array<char, kMaxConnectLine> line_{};
  size_t size_ = 0;
  uint32_t port_ = 0;
};

}  // namespace ember::vsock
