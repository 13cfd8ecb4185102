#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "backends/hypervisor/backend.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "base/unique_fd.h"

namespace ember::daemon {

class BridgeClient;

// The public door to a running VM's vsock ports: a Unix socket that speaks Firecracker's
// hybrid-vsock convention and, for clients that start talking at once, goes straight to the JSON
// port (docs/vsock.md):
//
//   first byte 'C'       `CONNECT <port>\n` in one line of at most 32 bytes; answered `OK <n>\n`
//   once the guest has accepted, then raw bytes any other first byte  everything goes to port 1024
//   untouched
//
// A guest that is not up yet is dialled again until kDialLimit. Only the VM's owner, root and the
// daemon's own user may connect: others are cut off at once, and the file's mode is 0600. At most
// kMaxClients at a time. Lives on `io`; Open and Close may come from any thread.
class VsockBridge {
 public:
  static constexpr size_t kMaxClients = 1023;
  static constexpr absl::Duration kDialLimit = absl::Seconds(30);

  // Listens at `path` (InvalidArgument when it is too long; a stale file is replaced) and gives the
  // file to `owner`. `machine` is shared with the host. The file is removed when the bridge is
  // destroyed.
  static absl::StatusOr<std::unique_ptr<VsockBridge>> Open(
      EventLoop& io, const Log& log, std::filesystem::path path, uid_t owner,
      std::shared_ptr<hypervisor::Machine> machine);
  VsockBridge(const VsockBridge&) = delete;
  VsockBridge& operator=(const VsockBridge&) = delete;
  // Removes the file now, then stops listening and ends every connection on `io`.
  ~VsockBridge();

 private:
  friend class BridgeClient;
  struct Shared;
  explicit VsockBridge(std::shared_ptr<Shared> shared);

  std::shared_ptr<Shared> shared_;  // also held by tasks on `io`
};

}  // namespace ember::daemon
