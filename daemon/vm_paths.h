#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace ember::daemon {

// Where a VM's files are: `<state-dir>/vms/<name>/`. A value.
struct VmPaths {
  std::filesystem::path dir;           // mode 0700, explained by the VM's row
  std::filesystem::path vsock_socket;  // the public bridge (vsock_bridge.h); also the prefix of
                                       // guest-initiated connections
  std::filesystem::path console_log;   // what the guest prints; bounded by console_log.h

  static VmPaths Of(const std::filesystem::path& state_dir, std::string_view vm_name);

  // InvalidArgument when a socket of this VM would have a path over base/socket.h's kMaxSocketPath:
  // checked before anything is allocated.
  absl::Status CheckLength() const;
};

}  // namespace ember::daemon
