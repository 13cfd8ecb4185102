#include "base/log.h"

#include <vector>

#include "tests/support/catch.h"

namespace ember {
namespace {

TEST_CASE("a record is one line, quoted only where needed", "[base][log]") {
  CHECK(FormatLogfmt({LogLevel::kWarn, "disk full", {{"vm", "web"}, {"path", "/var lib"}}}) ==
        "level=warn event=\"disk full\" vm=web path=\"/var lib\"");
  CHECK(FormatLogfmt({LogLevel::kInfo, "ready", {{"empty", ""}}}) ==
        "level=info event=ready empty=\"\"");
}

TEST_CASE("no value can end the line or forge a field", "[base][log]") {
  const std::string line =
      FormatLogfmt({LogLevel::kError, "x", {{"said", "a\nlevel=info \"b\" \\ \x1b[0m\x7f"}}});
  CHECK(line == "level=error event=x said=\"a\\nlevel=info \\\"b\\\" \\\\ \\x1b[0m\\x7f\"");
}

TEST_CASE("only records at or above the level are handed on", "[base][log]") {
  std::vector<std::string> events;
  const Log log(LogLevel::kInfo,
                [&events](const LogRecord& record) { events.push_back(record.event); });
  log.Trace("trace");
  log.Debug("debug");
  log.Info("info");
  log.Warn("warn");
  log.Error("error", {{"vm", "web"}});
  CHECK(events == std::vector<std::string>{"info", "warn", "error"});
}

TEST_CASE("a log without a sink writes nowhere", "[base][log]") {
  Log().Error("nobody hears this");
  SUCCEED();
}

TEST_CASE("levels have names that parse back", "[base][log]") {
  for (const LogLevel level :
       {LogLevel::kTrace, LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn, LogLevel::kError}) {
    CHECK(ParseLogLevel(LogLevelName(level)) == level);
  }
  CHECK(ParseLogLevel("warning") == std::nullopt);
  CHECK(ParseLogLevel("") == std::nullopt);
}

}  // namespace
}  // namespace ember
