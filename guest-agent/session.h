#pragma once

#include <functional>
#include <memory>

#include "base/unique_fd.h"
#include "guest-agent/client_stream.h"
#include "guest-agent/connection.h"
#include "guest-agent/context.h"
#include "guest-agent/peer_stream.h"
#include "guest-agent/session_task.h"

namespace ember::agent {

// One connection on the framed port, and so one session: docs/agent-protocol.md. Destroying it ends
// the session as a client that goes away does. Lives on the event loop.
class Session : public Connection, private ClientLink {
 public:
  // Serves `socket`; calls `over` once when there is nothing more to do, never from within Create.
  static absl::StatusOr<std::unique_ptr<Connection>> Create(const Context& context, UniqueFd socket,
                                                            std::function<void()> over);
  ~Session() override;

 private:
  Session(const Context& context, UniqueFd socket, std::function<void()> over);
  // Hands on the frames that are there.
  void Proceed();
  void Handle(const v1::ClientFrame& frame);
  void ReplyHello(const v1::Hello& hello);
  void StartTask(const v1::ClientFrame& request);
  // Ends the task, then the session with Failure. Not from within a call of the task.
  void Refuse(const absl::Status& status);

  void Send(const v1::AgentFrame& frame) override;
  size_t pending() const override { return peer_.pending(); }
  void SetReading(Reading reading) override;
  void Finish() override;
  void Fail(const absl::Status& status) override;
  TakenSocket Take() override;

  const Context context_;
  const std::function<void()> over_;
  PeerStream peer_;
  ClientStream stream_;
  Reading reading_ = Reading::kOn;
  bool corked_ = false;
  bool finished_ = false;  // the last frame is queued, or the connection was taken
  // Tasks on the loop find here whether we still live. Shared with them.
  std::shared_ptr<Session*> self_;
  std::unique_ptr<SessionTask> task_;  // goes first: it uses the others
};

}  // namespace ember::agent
