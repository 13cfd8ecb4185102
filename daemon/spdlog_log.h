#pragma once

#include "base/log.h"

namespace ember::daemon {

// Structured lines on standard error through spdlog: a time stamp, then logfmt. Thread-safe.
Log MakeSpdlogLog(LogLevel level);

}  // namespace ember::daemon
