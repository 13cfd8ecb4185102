#pragma once

#include <filesystem>

#include "absl/time/time.h"
#include "base/event_loop.h"
#include "base/reply.h"
#include "base/unique_fd.h"

namespace ember::hypervisor {

// Connects to `port` of the guest behind a hybrid-vsock socket (docs/vsock.md): `CONNECT <port>\n`
// in one write, then `OK <n>\n` read to the byte, so that what the guest says next is left for the
// caller. Answers on the loop with a non-blocking socket; Unavailable when nobody listens there,
// DeadlineExceeded after `attempt`, DataLoss when the answer is no handshake. Never blocks;
// thread-safe.
void DialHybrid(EventLoop& io, std::filesystem::path socket, uint32_t port, absl::Duration attempt,
                Reply<UniqueFd> reply);

}  // namespace ember::hypervisor
