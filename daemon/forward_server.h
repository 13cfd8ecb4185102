#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"
#include "daemon/agent_dial.h"
#include "state/forward.h"

namespace ember::daemon {

// Serves one forward: what listens, and the connections through it. Lives on `io`; destroying it
// closes everything.
class ForwardServer {
 public:
  // How it is with a forward: OK, or why somebody who connects now is not served.
  using Report = std::function<void(const absl::Status& health)>;
  struct Context {
    EventLoop& io;
    Report report;                                       // called on `io`
    std::shared_ptr<std::atomic<uint32_t>> connections;  // open now; shared with who shows it
  };

  virtual ~ForwardServer() = default;
  // Where connections lead from now on; nothing: the VM does not run, and whoever connects is
  // closed at once. Connections that are open stay.
  virtual void LeadTo(std::optional<ReachedVm> vm) = 0;
};

// One of each kind. `socket` listens at the forward's side of the host already, or is bound there
// for UDP. Answers null and reports the reason when the process has no room to watch it.
std::shared_ptr<ForwardServer> ServeStreams(ForwardServer::Context context, UniqueFd socket,
                                            const state::ForwardSide& guest);
std::shared_ptr<ForwardServer> ServeDatagrams(ForwardServer::Context context, UniqueFd socket,
                                              const state::ForwardSide& guest);
// The guest listens, again and again, while the VM runs.
std::shared_ptr<ForwardServer> ServeReverse(ForwardServer::Context context,
                                            const state::Forward& forward);

}  // namespace ember::daemon
