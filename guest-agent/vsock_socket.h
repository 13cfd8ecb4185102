#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

// AF_VSOCK stream sockets of a guest, vsock(7). Descriptors are non-blocking and close-on-exec.
namespace ember::agent {

// Listens on `port` at any CID. AlreadyExists when the port is taken; Unavailable when the kernel
// has no AF_VSOCK.
absl::StatusOr<UniqueFd> ListenVsock(uint32_t port);

// Begins to connect to `port` of the host; writable once that is done or has failed.
absl::StatusOr<UniqueFd> BeginConnectToHost(uint32_t port);

// Whether the far end of a connection is the host, CID 2.
bool PeerIsHost(int socket);

// Whether this system has the CID of a guest: 3 or more.
bool RunsInGuest();

}  // namespace ember::agent
