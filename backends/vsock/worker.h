#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/vsock/connection_table.h"
#include "backends/vsock/muxer.h"
#include "backends/vsock/vhost_user/server.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "base/unique_fd.h"

namespace ember::vsock {

// The part that touches what the guest wrote: the rings' data plane on an event loop, told by its
// control socket what the front-end says. The requests on that socket are vhost-user's own; each is
// answered, with an empty payload where vhost-user has none. Lives on `loop`.
class Worker {
 public:
  struct Borrowed {
    EventLoop& loop;
    vhost_user::Server& server;
    ConnectionTable& table;
    int listener;  // of the host programs
  };

  Worker(Borrowed borrowed, UniqueFd control, Muxer::Options options, Log log);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();

  // Begins to serve, and goes on where a worker before it has ended. The loop is stopped when the
  // other end of the control socket is gone or breaks the protocol; `ended` tells which.
  absl::Status Start();
  const absl::Status& ended() const { return ended_; }

 private:
  void OnControl();
  absl::Status Answer(vhost_user::RequestMessage message);

  Borrowed borrowed_;
  UniqueFd control_;
  Muxer muxer_;
  absl::Status ended_;
};

}  // namespace ember::vsock
