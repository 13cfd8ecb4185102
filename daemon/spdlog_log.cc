#include "daemon/spdlog_log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

namespace ember::daemon {

Log MakeSpdlogLog(LogLevel level) {
  auto logger = std::make_shared<spdlog::logger>("emberhostd",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  // The level is filtered by Log and part of FormatLogfmt's line.
  logger->set_level(spdlog::level::trace);
  logger->set_pattern("time=%Y-%m-%dT%H:%M:%S.%eZ %v", spdlog::pattern_time_type::utc);
  logger->flush_on(spdlog::level::trace);
  return Log(level, [logger](const LogRecord& record) {
    logger->log(spdlog::level::info, "{}", FormatLogfmt(record));
  });
}

}  // namespace ember::daemon
