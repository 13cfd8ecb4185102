#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "base/event_loop.h"
#include "daemon/agent_connection.h"
#include "daemon/agent_dial.h"

namespace ember::daemon {

// One request about files whose answer, or whose rest, comes in pieces: ReadTree, WriteTree and
// ListDirectory (docs/agent-protocol.md), on a connection of its own. It is sent once, and only to
// an agent that names the capability "files"; when the connection fails after that, the end is
// Unavailable with reason VM_WENT_AWAY. The agent is not trusted: what it says only goes to the
// client, in frames that belong to the request.
//
// Memory is bounded both ways: once kWindow bytes are with the client the agent is held back, and
// the client is told when there is room for more. Lives on `io`, apart from Start; the caller and
// its own timer share it.
class FileSession : public AgentConnection::Handler,
                    public std::enable_shared_from_this<FileSession> {
 public:
  // The one who asked. Called on `io`; must not block. Nothing is called after Ended.
  class Client {
   public:
    virtual ~Client() = default;
    // A frame of the answer: tree_data, tree_end or file_list. Answer tree_data with Taken once it
    // is on its way.
    virtual void Answer(const agent::v1::AgentFrame& frame) = 0;
    // The agent waits for pieces of the tree, and there is room for one.
    virtual void Room() = 0;
    // The end, exactly once. OK: the answer was whole.
    virtual void Ended(absl::Status status) = 0;
  };

  static constexpr size_t kWindow = size_t{512} << 10;

  // Dials for at most `connect_timeout`, then asks. `client` is shared: the session keeps it until
  // Ended. Any thread; the session may be dropped on any thread, while `io` lives.
  static std::shared_ptr<FileSession> Start(EventLoop& io, ReachedVm vm,
                                            agent::v1::ClientFrame request,
                                            absl::Duration connect_timeout,
                                            std::shared_ptr<Client> client);

  // A piece of the tree that is written, or its end. Only while there is room.
  void SendPiece(std::string piece);
  void SendEnd();
  bool HasRoom() const;
  // The client is done with so many bytes of tree_data.
  void Taken(size_t bytes);
  // Ends the session, and with it the request. Ended gets Cancelled unless it came already.
  void Cancel();

 private:
  FileSession(EventLoop& io, ReachedVm vm, agent::v1::ClientFrame request,
              std::shared_ptr<Client> client);
  void Dial(Deadline deadline);
  void OnDialled(absl::StatusOr<UniqueFd> fd);
  void OnFrame(const agent::v1::AgentFrame& frame) override;
  void OnSent() override;
  void OnClosed(absl::Status status) override;
  void OnHello(const agent::v1::HelloReply& reply);
  void OnAnswer(const agent::v1::AgentFrame& frame);
  absl::Status CheckAnswer(const agent::v1::AgentFrame& frame) const;
  bool writes() const { return request_.has_write_tree(); }
  void Finish(absl::Status status);

  EventLoop& io_;
  const ReachedVm vm_;
  const agent::v1::ClientFrame request_;
  std::shared_ptr<Client> client_;
  std::optional<AgentConnection> connection_;
  agent::v1::ClientFrame piece_;
  EventLoop::TimerId greeting_timer_ = 0;
  size_t unacknowledged_ = 0;
  bool asked_ = false;
  bool end_sent_ = false;
  bool ended_ = false;
};

}  // namespace ember::daemon
