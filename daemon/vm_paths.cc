#include "daemon/vm_paths.h"

#include "base/socket.h"
#include "base/status.h"
#include "daemon/agent_call.h"

namespace ember::daemon {

VmPaths VmPaths::Of(const std::filesystem::path& state_dir, std::string_view vm_name) {
  const std::filesystem::path dir = state_dir / "vms" / vm_name;
  return {dir, dir / "vsock.sock", dir / "console.log"};
}

absl::Status VmPaths::CheckLength() const {
  // The longest one that we make ourselves: where the guest announces that it is ready.
  std::filesystem::path longest = vsock_socket;
  longest += fmt::format("_{}", kReadyPort);
  return CheckSocketPath(longest);
}

}  // namespace ember::daemon
