#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

// Which daemon a command talks to. emberhostd follows the same rule when it picks where to listen.
namespace ember::cli {

// Everything the rule depends on; empty strings are "not given".
struct HostAddressInput {
  std::string state_dir_flag;   // --state-dir
  std::string host_flag;        // --host
  std::string host_variable;    // EMBER_HOST
  std::string xdg_runtime_dir;  // XDG_RUNTIME_DIR
  std::string xdg_state_home;   // XDG_STATE_HOME
  std::string home;             // HOME
  bool is_root = false;
};

struct HostAddress {
  std::filesystem::path socket;     // absolute
  std::filesystem::path state_dir;  // absolute; of the daemon that `daemon start` would start

  friend bool operator==(const HostAddress&, const HostAddress&) = default;
};

// The first of these that is given picks the socket:
//   --host unix:PATH; --state-dir DIR (DIR/emberhostd.sock); EMBER_HOST; the default.
// Default for root: /run/ember/emberhostd.sock with state in /var/lib/ember. For others the state
// is in $XDG_STATE_HOME/ember, else ~/.local/state/ember, and the socket is
// $XDG_RUNTIME_DIR/ember/emberhostd.sock, else emberhostd.sock in the state directory.
// InvalidArgument for an address that is not unix:PATH and for a path that is too long for a
// socket.
absl::StatusOr<HostAddress> ResolveHostAddress(const HostAddressInput& input);

// Fills in what the process's environment says.
HostAddressInput HostAddressInputFromEnvironment();

}  // namespace ember::cli
