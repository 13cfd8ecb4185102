#include "cli/forward_spec.h"

#include <charconv>

#include "base/status.h"
#include "base/status_macros.h"
#include "cli/printable.h"

namespace ember::cli {
namespace {

absl::Status NoSocket(std::string_view text) {
  return WithHint(
      InvalidArgument("'{}' is neither a port nor an absolute path", Printable(text)),
      "give a port from 1 to 65535, or the path of a Unix socket such as /run/app.sock");
}

}  // namespace

absl::StatusOr<SocketSpec> ParseSocketSpec(std::string_view text, ZeroPort zero) {
  SocketSpec spec;
  if (text.starts_with('/')) {
    if (text.find(':') != std::string_view::npos) return NoSocket(text);
    spec.path = text;
    return spec;
  }
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), spec.port);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
  if (!whole || (spec.port == 0 && zero == ZeroPort::kRefused)) return NoSocket(text);
  return spec;
}

absl::StatusOr<ForwardSpec> ParseForwardSpec(std::string_view text, ZeroPort zero) {
  const size_t colon = text.find(':');
  ForwardSpec spec;
  if (colon == std::string_view::npos) {
    if (text.starts_with('/')) {
      return WithHint(InvalidArgument("'{}' does not say where it leads", Printable(text)),
                      "add a colon and a port or path, e.g. /tmp/app.sock:/run/app.sock");
    }
    ASSIGN_OR_RETURN(spec.from, ParseSocketSpec(text, ZeroPort::kRefused));
    spec.to = spec.from;
    return spec;
  }
  ASSIGN_OR_RETURN(spec.from, ParseSocketSpec(text.substr(0, colon), zero));
  ASSIGN_OR_RETURN(spec.to, ParseSocketSpec(text.substr(colon + 1), ZeroPort::kRefused));
  return spec;
}

}  // namespace ember::cli
