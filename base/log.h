#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ember {

enum class LogLevel { kTrace, kDebug, kInfo, kWarn, kError };

// "trace", "debug", "info", "warn", "error"; nothing for another word.
std::optional<LogLevel> ParseLogLevel(std::string_view word);
std::string_view LogLevelName(LogLevel level);

// One event and what it is about: a short sentence and fields such as {"vm", "web"}.
struct LogRecord {
  LogLevel level;
  std::string event;
  std::vector<std::pair<std::string, std::string>> fields;
};

// Where records go. A small value that is handed down from main; copies write to the same place.
// There is no global logger. Thread-safe as long as the sink is.
class Log {
 public:
  using Sink = std::function<void(const LogRecord&)>;
  using Fields = std::vector<std::pair<std::string, std::string>>;

  // Writes nowhere.
  Log() = default;
  // Hands every record at or above `level` to `sink`, on the thread that logs.
  Log(LogLevel level, Sink sink) : level_(level), sink_(std::move(sink)) {}
  // logfmt lines on standard error: `level=warn event="disk full" vm=web`.
  static Log ToStderr(LogLevel level);

  void Trace(std::string_view event, Fields fields = {}) const {
    Write(LogLevel::kTrace, event, std::move(fields));
  }
  void Debug(std::string_view event, Fields fields = {}) const {
    Write(LogLevel::kDebug, event, std::move(fields));
  }
  void Info(std::string_view event, Fields fields = {}) const {
    Write(LogLevel::kInfo, event, std::move(fields));
  }
  void Warn(std::string_view event, Fields fields = {}) const {
    Write(LogLevel::kWarn, event, std::move(fields));
  }
  void Error(std::string_view event, Fields fields = {}) const {
    Write(LogLevel::kError, event, std::move(fields));
  }

 private:
  void Write(LogLevel level, std::string_view event, Fields fields) const;

  LogLevel level_ = LogLevel::kError;
  Sink sink_;
};

// One record as a logfmt line without its line end: values with blanks, quotes or control
// characters are quoted and escaped.
std::string FormatLogfmt(const LogRecord& record);

}  // namespace ember
