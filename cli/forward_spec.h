#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace ember::cli {

// One side of what is typed: a port, or the path of a Unix socket.
struct SocketSpec {
  uint16_t port = 0;
  std::string path = {};  // empty: it is the port

  friend bool operator==(const SocketSpec&, const SocketSpec&) = default;
};

// What listens and where it leads.
struct ForwardSpec {
  SocketSpec from;
  SocketSpec to;

  friend bool operator==(const ForwardSpec&, const ForwardSpec&) = default;
};

// Whether port 0, any free one, is accepted.
enum class ZeroPort { kRefused, kAccepted };

// Parses "80" or "/run/app.sock". A path is absolute and holds no colon. InvalidArgument names the
// text and shows what is accepted.
absl::StatusOr<SocketSpec> ParseSocketSpec(std::string_view text, ZeroPort zero);

// Parses "8080:80", "8080:/run/app.sock", "/tmp/app.sock:80" or "/tmp/a.sock:/run/b.sock"; a port
// alone, "80", leads to the same port.
absl::StatusOr<ForwardSpec> ParseForwardSpec(std::string_view text, ZeroPort zero);

}  // namespace ember::cli
