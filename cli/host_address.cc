#include "cli/host_address.h"

#include <unistd.h>

#include <cstdlib>

#include "base/socket.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::cli {
namespace {

constexpr std::string_view kSocketName = "emberhostd.sock";

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::filesystem::path Absolute(const std::filesystem::path& path) {
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error);
  return (error ? path : absolute).lexically_normal();
}

absl::StatusOr<std::filesystem::path> ParseHost(std::string_view text) {
  constexpr std::string_view kScheme = "unix:";
  std::string_view path = text;
  if (!path.starts_with(kScheme) || path.size() == kScheme.size()) {
    return WithHint(InvalidArgument("host '{}' is not the address of a Unix socket", text),
                    "use unix:PATH, e.g. --host unix:/run/ember/emberhostd.sock");
  }
  path.remove_prefix(kScheme.size());
  if (path.starts_with("//")) path.remove_prefix(2);  // unix:///run/… is an absolute path, too
  return Absolute(path);
}

std::filesystem::path DefaultStateDir(const HostAddressInput& input) {
  if (input.is_root) return "/var/lib/ember";
  // The XDG base directory specification: a relative path is invalid and to be ignored.
  if (input.xdg_state_home.starts_with('/')) {
    return std::filesystem::path(input.xdg_state_home) / "ember";
  }
  return std::filesystem::path(input.home.empty() ? "/" : input.home) / ".local/state/ember";
}

std::filesystem::path DefaultSocket(const HostAddressInput& input) {
  if (input.is_root) return std::filesystem::path("/run/ember") / kSocketName;
  if (input.xdg_runtime_dir.starts_with('/')) {
    return std::filesystem::path(input.xdg_runtime_dir) / "ember" / kSocketName;
  }
  return DefaultStateDir(input) / kSocketName;
}

}  // namespace

absl::StatusOr<HostAddress> ResolveHostAddress(const HostAddressInput& input) {
  HostAddress address;
  const bool state_dir_given = !input.state_dir_flag.empty();
  address.state_dir = state_dir_given ? Absolute(input.state_dir_flag) : DefaultStateDir(input);
  if (!input.host_flag.empty()) {
    ASSIGN_OR_RETURN(address.socket, ParseHost(input.host_flag));
  } else if (state_dir_given) {
    address.socket = address.state_dir / kSocketName;
  } else if (!input.host_variable.empty()) {
    ASSIGN_OR_RETURN(address.socket, ParseHost(input.host_variable));
  } else {
    address.socket = DefaultSocket(input);
  }
  RETURN_IF_ERROR(CheckSocketPath(address.socket));
  return address;
}

HostAddressInput HostAddressInputFromEnvironment() {
  HostAddressInput input;
  input.host_variable = Variable("EMBER_HOST");
  input.xdg_runtime_dir = Variable("XDG_RUNTIME_DIR");
  input.xdg_state_home = Variable("XDG_STATE_HOME");
  input.home = Variable("HOME");
  input.is_root = ::geteuid() == 0;
  return input;
}

}  // namespace ember::cli
