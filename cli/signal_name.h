#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

// The guest's signals by name: those of Linux, whatever this program runs on.
namespace ember::cli {

// "TERM", "SIGTERM", "term" or "15"; 1 to 64. The hint of an error is the nearest name.
absl::StatusOr<uint32_t> ParseSignal(std::string_view option, std::string_view text);

// "SIGTERM"; "signal 35" where there is no name.
std::string SignalName(uint32_t number);

}  // namespace ember::cli
