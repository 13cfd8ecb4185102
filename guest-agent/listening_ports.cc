#include "guest-agent/listening_ports.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "base/file.h"
#include "guest-agent/proc_text.h"

namespace ember::agent {
namespace {

// Columns: number, local address as "HEX:PORT", remote address, state.
constexpr size_t kLocal = 1;
constexpr size_t kState = 3;
constexpr std::string_view kListen = "0A";

bool ListensIn(const char* table, uint16_t port) {
  const std::string text = ReadFile(table).value_or("");
  const auto lines = LinesOf(text);
  return std::any_of(lines.begin(), lines.end(),
                     [port](std::string_view line) { return ListeningPort(line) == port; });
}

}  // namespace

std::optional<uint16_t> ListeningPort(std::string_view line) {
  const auto words = WordsOf(line);
  if (words.size() <= kState || words[kState] != kListen) return std::nullopt;
  const std::string_view local = words[kLocal];
  const size_t colon = local.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  uint16_t port = 0;
  const char* end = local.data() + local.size();
  const auto read = std::from_chars(local.data() + colon + 1, end, port, 16);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return port;
}

bool SomethingListens(uint16_t port) {
  return ListensIn("/proc/net/tcp", port) || ListensIn("/proc/net/tcp6", port);
}

}  // namespace ember::agent
