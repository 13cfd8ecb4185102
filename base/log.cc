#include "base/log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cctype>

namespace ember {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"trace", "debug", "info", "warn", "error"};

bool NeedsQuotes(std::string_view value) {
  if (value.empty()) return true;
  for (unsigned char c : value) {
    if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f) return true;
  }
  return false;
}

void AppendValue(std::string_view value, std::string& out) {
  if (!NeedsQuotes(value)) {
    out.append(value);
    return;
  }
  out.push_back('"');
  for (unsigned char c : value) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(static_cast<char>(c));
    } else if (c == '\n') {
      out.append("\\n");
    } else if (c < ' ' || c == 0x7f) {
      out.append(fmt::format("\\x{:02x}", c));
    } else {
      out.push_back(static_cast<char>(c));
    }
  }
  out.push_back('"');
}

}  // namespace

std::optional<LogLevel> ParseLogLevel(std::string_view word) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == word) return static_cast<LogLevel>(i);
  }
  return std::nullopt;
}

std::string_view LogLevelName(LogLevel level) { return kNames[static_cast<size_t>(level)]; }

Log Log::ToStderr(LogLevel level) {
  return Log(level, [](const LogRecord& record) {
    const std::string line = FormatLogfmt(record) + "\n";
    // A log line that can't be written has nowhere else to go.
    [[maybe_unused]] const ssize_t ignored = write(STDERR_FILENO, line.data(), line.size());
  });
}

void Log::Write(LogLevel level, std::string_view event, Fields fields) const {
  if (!sink_ || level < level_) return;
  sink_({level, std::string(event), std::move(fields)});
}

std::string FormatLogfmt(const LogRecord& record) {
  std::string line = fmt::format("level={} event=", LogLevelName(record.level));
  AppendValue(record.event, line);
  for (const auto& [key, value] : record.fields) {
    line += fmt::format(" {}=", key);
    AppendValue(value, line);
  }
  return line;
}

}  // namespace ember
