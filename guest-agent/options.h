#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/log.h"

namespace ember::agent {

enum class Task { kServe, kShowVersion, kShowHelp };

// What the command line asks for.
struct Options {
  Task task = Task::kServe;
  uint32_t json_port = 1024;    // AF_VSOCK ports; unused with uds
  uint32_t framed_port = 1025;  // also the number in the name of the framed socket with uds
  std::filesystem::path uds;    // serve on Unix sockets: JSON here, framed at <uds>_<framed_port>
  std::filesystem::path ready_socket;  // connected to and closed once both services listen
  LogLevel log_level = LogLevel::kInfo;

  friend bool operator==(const Options&, const Options&) = default;
};

// Reads the words after the program's name. InvalidArgument, with a hint, names the word that is
// wrong. `--option value` and `--option=value` both work.
absl::StatusOr<Options> ParseOptions(const std::vector<std::string_view>& words);

// The text of --help.
std::string_view HelpText();

}  // namespace ember::agent
