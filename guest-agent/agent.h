#pragma once

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "guest-agent/context.h"
#include "guest-agent/options.h"
#include "guest-agent/server.h"

namespace ember::agent {

// The port of the host that is told, by a connection that is closed at once, that the agent serves.
inline constexpr uint32_t kReadyPort = 1026;

// The two services of the agent on their sockets. Lives on the event loop.
class Agent {
 public:
  // Listens, and tells whoever waits for it. AlreadyExists when another agent serves there: then
  // nothing is changed. After another failure nothing is left.
  static absl::StatusOr<std::unique_ptr<Agent>> Create(const Context& context,
                                                       const Options& options);
  // Ends every session and removes the sockets' files.
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

 private:
  Agent(const Context& context, const Options& options) : context_(context), options_(options) {}
  absl::Status Listen();
  void AnnounceToHost();
  void AnnounceOnSocket();

  const Context context_;
  const Options options_;
  std::unique_ptr<Server> json_;
  std::unique_ptr<Server> framed_;
  UniqueFd announcement_;
  EventLoop::TimerId announcement_timer_ = 0;
};

}  // namespace ember::agent
