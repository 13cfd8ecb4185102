#include "backends/vsock/handshake.h"

#include <fmt/format.h>
#include <strings.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>

namespace ember::vsock {
namespace {

constexpr std::string_view kBlanks = " \t\r\n\v\f";

// Cuts the next word off the front of `text`; empty when there is none.
std::string_view NextWord(std::string_view& text) {
  const size_t start = text.find_first_not_of(kBlanks);
  if (start == std::string_view::npos) return {};
  text.remove_prefix(start);
  const std::string_view word = text.substr(0, text.find_first_of(kBlanks));
  text.remove_prefix(word.size());
  return word;
}

}  // namespace

std::optional<uint32_t> ParseConnectLine(std::string_view line) {
  constexpr std::string_view kKeyword = "CONNECT";
  const std::string_view keyword = NextWord(line);
  if (keyword.size() != kKeyword.size() ||
      strncasecmp(keyword.data(), kKeyword.data(), kKeyword.size()) != 0) {
    return std::nullopt;
  }
  const std::string_view number = NextWord(line);
  uint32_t port = 0;
  const char* const end = number.data() + number.size();
  const auto [stop, error] = std::from_chars(number.data(), end, port);
  if (number.empty() || error != std::errc() || stop != end) return std::nullopt;
  return port;
}

std::string FormatOkLine(uint32_t host_port) { return fmt::format("OK {}\n", host_port); }

HandshakeReader::Progress HandshakeReader::Read(int socket) {
  const size_t room = line_.size() - size_;
  const ssize_t peeked = recv(socket, line_.data() + size_, room, MSG_PEEK | MSG_DONTWAIT);
  if (peeked < 0) {
    return errno == EAGAIN || errno == EINTR ? Progress::kMore : Progress::kBad;
  }
  if (peeked == 0) return Progress::kBad;
  const std::string_view fresh(line_.data() + size_, static_cast<size_t>(peeked));
  const size_t newline = fresh.find('\n');
  const size_t take = newline == std::string_view::npos ? fresh.size() : newline + 1;
  // Take exactly the line out of the socket; what follows it belongs to the connection.
  if (recv(socket, line_.data() + size_, take, MSG_DONTWAIT) != static_cast<ssize_t>(take)) {
    return Progress::kBad;
  }
  size_ += take;
  if (newline == std::string_view::npos) {
    return size_ == line_.size() ? Progress::kBad : Progress::kMore;
  }
  const std::optional<uint32_t> port = ParseConnectLine(std::string_view(line_.data(), size_ - 1));
  if (!port.has_value()) return Progress::kBad;
  port_ = *port;
  return Progress::kDone;
}

}  // namespace ember::vsock
