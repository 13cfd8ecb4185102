#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/cancellation.h"
#include "base/event_loop.h"
#include "daemon/agent_connection.h"
#include "daemon/agent_dial.h"

namespace ember::daemon {

// The datagrams between one client of a forward and one UDP port of a guest: a session of its
// agent. What finds no room, or comes before the guest can be reached and is more than a few, is
// lost. Lives on `io`.
class DatagramFlow : public std::enable_shared_from_this<DatagramFlow>,
                     public AgentConnection::Handler {
 public:
  struct Events {
    std::function<void(std::string_view datagram)> received;
    // It is over, by an error or because it was idle. Called once, last; may drop the flow.
    std::function<void(const absl::Status& why)> over;
  };

  // Without traffic for so long a flow ends.
  static constexpr absl::Duration kIdleLimit = absl::Seconds(60);

  static std::shared_ptr<DatagramFlow> Start(EventLoop& io, ReachedVm vm, uint16_t port,
                                             Events events);
  DatagramFlow(const DatagramFlow&) = delete;
  DatagramFlow& operator=(const DatagramFlow&) = delete;
  ~DatagramFlow() override;

  void Send(std::string_view datagram);

 private:
  DatagramFlow(EventLoop& io, ReachedVm vm, uint16_t port, Events events);
  void Dial();
  void OnDialled(absl::StatusOr<UniqueFd> fd);
  void OnFrame(const agent::v1::AgentFrame& frame) override;
  void OnClosed(absl::Status status) override;
  void AwaitIdleness();
  void End(const absl::Status& why);

  EventLoop& io_;
  const ReachedVm vm_;
  const uint16_t port_;
  Events events_;
  std::optional<AgentConnection> session_;
  bool open_ = false;
  std::vector<std::string> early_;  // datagrams from before it was open
  Deadline idle_;                   // moved on by every datagram
  EventLoop::TimerId idle_timer_ = 0;
};

}  // namespace ember::daemon
