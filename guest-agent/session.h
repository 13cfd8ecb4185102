#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "base/unique_fd.h"
#include "guest-agent/client_stream.h"
#include "guest-agent/connection.h"
#include "guest-agent/context.h"
#include "guest-agent/execution.h"
#include "guest-agent/peer_stream.h"

namespace ember::agent {

// One connection on the framed port, and so one session: docs/agent-protocol.md. Holds at most
// kOutputLimit plus one read of output and kInputCredit of input. Destroying it ends the session as
// a client that goes away does. Lives on the event loop.
class Session : public Connection {
 public:
  // Input that a client may send ahead of the process, in bytes.
  static constexpr uint64_t kInputCredit = 256 << 10;
  // Output that waits for the client before the process is stopped in its write, in bytes.
  static constexpr size_t kOutputLimit = size_t{256} << 10;

  // Serves `socket`; calls `over` once when there is nothing more to do, never from within Create.
  static absl::StatusOr<std::unique_ptr<Connection>> Create(const Context& context, UniqueFd socket,
                                                            std::function<void()> over);

 private:
  Session(const Context& context, UniqueFd socket, std::function<void()> over);
  void OnReceived(std::string_view bytes);
  void Handle(const v1::ClientFrame& frame);
  void ReplyHello(const v1::Hello& hello);
  void StartExec(const v1::ExecStart& start);
  void Shutdown(const v1::Shutdown& request);
  void OnOutput(OutputStream stream, std::string_view bytes);
  void OnInputConsumed(size_t bytes);
  void OnEnded(const ExitStatus& exit);
  void OnSent();
  void SendCredit();
  void Send(const v1::AgentFrame& frame);
  void Fail(const absl::Status& status);

  const Context context_;
  const std::function<void()> over_;
  PeerStream peer_;
  ClientStream stream_;
  v1::AgentFrame output_frame_;  // reused: its payload keeps its memory
  std::unique_ptr<Execution> execution_;
  uint64_t credit_due_ = 0;  // consumed and not yet told to the client
  bool finished_ = false;    // the last frame is queued
};

}  // namespace ember::agent
