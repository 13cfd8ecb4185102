#include "guest-agent/options.h"

#include <charconv>

#include "base/status.h"
#include "base/status_macros.h"

namespace ember::agent {
namespace {

// Takes options and their values off a list of words, one at a time.
class Words {
 public:
  explicit Words(const std::vector<std::string_view>& words) : words_(words) {}

  bool AtEnd() const { return next_ == words_.size(); }

  std::string_view Option() {
    std::string_view word = words_[next_++];
    const size_t equals = word.find('=');
    value_.reset();
    if (equals == std::string_view::npos) return word;
    value_ = word.substr(equals + 1);
    return word.substr(0, equals);
  }

  absl::StatusOr<std::string_view> Value(std::string_view option) {
    if (value_.has_value()) return *value_;
    if (AtEnd()) return InvalidArgument("option {} needs a value", option);
    return words_[next_++];
  }

 private:
  const std::vector<std::string_view>& words_;
  size_t next_ = 0;
  std::optional<std::string_view> value_;  // after '=' in the option's own word
};

absl::StatusOr<uint32_t> Port(std::string_view option, std::string_view word) {
  uint32_t port = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), port);
  if (error != std::errc() || end != word.data() + word.size() || port == 0 || port == UINT32_MAX) {
    return InvalidArgument("option {}: '{}' is not a port from 1 to 4294967294", option, word);
  }
  return port;
}

absl::Status Apply(std::string_view option, std::string_view value, Options& options) {
  if (option == "--port") {
    ASSIGN_OR_RETURN(options.json_port, Port(option, value));
  } else if (option == "--framed-port") {
    ASSIGN_OR_RETURN(options.framed_port, Port(option, value));
  } else if (option == "--uds" || option == "--ready-socket") {
    if (value.empty()) return InvalidArgument("option {} needs a path", option);
    (option == "--uds" ? options.uds : options.ready_socket) = value;
  } else if (option == "--log-level") {
    const auto level = ParseLogLevel(value);
    if (!level.has_value()) {
      return InvalidArgument("option {}: '{}' is not trace, debug, info, warn or error", option,
                             value);
    }
    options.log_level = *level;
  }
  return absl::OkStatus();
}

bool TakesValue(std::string_view option) {
  return option == "--port" || option == "--framed-port" || option == "--uds" ||
         option == "--ready-socket" || option == "--log-level";
}

absl::StatusOr<Options> Parse(Words words) {
  Options options;
  while (!words.AtEnd()) {
    const std::string_view option = words.Option();
    if (option == "--version") {
      options.task = Task::kShowVersion;
    } else if (option == "--help") {
      options.task = Task::kShowHelp;
    } else if (TakesValue(option)) {
      ASSIGN_OR_RETURN(const std::string_view value, words.Value(option));
      RETURN_IF_ERROR(Apply(option, value, options));
    } else {
      return InvalidArgument("unknown option '{}'", option);
    }
  }
  if (options.json_port == options.framed_port) {
    return InvalidArgument("--port and --framed-port are both {}", options.json_port);
  }
  return options;
}

}  // namespace

absl::StatusOr<Options> ParseOptions(const std::vector<std::string_view>& words) {
  auto options = Parse(Words(words));
  if (!options.ok()) return WithHint(options.status(), "see 'emberd --help'");
  return options;
}

std::string_view HelpText() {
  return R"(emberd: the agent in an Ember VM

Usage: emberd [OPTION]...

  --port N           AF_VSOCK port of the JSON-lines protocol (default 1024)
  --framed-port N    AF_VSOCK port of the framed protocol (default 1025)
  --uds PATH         serve on Unix sockets instead, without a VM: JSON lines at
                     PATH, framed at PATH_<framed port>
  --ready-socket P   with --uds: connect to the socket P once both listen
  --log-level L      trace, debug, info (default), warn or error
  --version          print the version
  --help             print this text

As /init or process 1 of an initramfs it boots the VM: see docs/agent-protocol.md.

Example: emberd --uds /tmp/emberd.sock
)";
}

}  // namespace ember::agent
