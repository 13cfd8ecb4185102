#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "base/event_loop.h"
#include "base/frame.h"
#include "base/unique_fd.h"
#include "ember/agent/v1/agent.pb.h"

namespace ember::daemon {

// A connection to a guest that has left its frames behind.
struct RawConnection {
  UniqueFd fd;           // non-blocking
  std::string received;  // bytes that came behind the last frame
};

// One framed connection to the agent in a VM (docs/agent-protocol.md, port 1025). The agent is not
// trusted: whatever it sends can end this connection, never the daemon. Lives on `io`.
class AgentConnection {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    // One frame. The handler may close or destroy the connection in here.
    virtual void OnFrame(const agent::v1::AgentFrame& frame) = 0;
    // The connection has ended: OK when the agent closed it between two frames. Called at most
    // once, and not after Close.
    virtual void OnClosed(absl::Status status) = 0;
    // Frames that waited for the socket are sent: queued() is smaller than it was.
    virtual void OnSent() {}
  };
  enum class Reading { kOn, kPaused };

  // Takes a connected, non-blocking socket; `handler` is borrowed and outlives the connection.
  // Nothing is read before Open.
  AgentConnection(EventLoop& io, UniqueFd fd, Handler& handler);
  AgentConnection(const AgentConnection&) = delete;
  AgentConnection& operator=(const AgentConnection&) = delete;
  // Close().
  ~AgentConnection();

  // Starts reading. Fails when the process has no room to watch another descriptor.
  absl::Status Open();

  // Queues a frame and writes what the socket takes. The caller bounds what it queues (input has
  // credit).
  void Send(const agent::v1::ClientFrame& frame);

  // Bytes that wait for the socket.
  size_t queued() const { return out_.size() - out_start_; }

  // A paused connection holds the agent back through the socket's own flow control.
  void SetReading(Reading reading);

  // Gives the connection up, for bytes without frames: nothing is called any more. Before: queued()
  // is 0.
  RawConnection Release();

  // Closes at once; unsent frames are dropped and nothing is called any more.
  void Close();

 private:
  void OnReady(uint32_t events);
  void ReadSome();
  bool DeliverFrames();
  void Flush();
  void Rearm();
  void Fail(absl::Status status);

  EventLoop& io_;
  UniqueFd fd_;
  Handler& handler_;
  FrameReader reader_;
  agent::v1::AgentFrame frame_;  // reused: its strings keep their memory
  std::string out_;
  size_t out_start_ = 0;
  Reading reading_ = Reading::kOn;
  bool ended_ = false;  // the agent has closed its side
  // Set while OnReady runs, so that it notices when a callback destroys this connection.
  bool* destroyed_ = nullptr;
};

// The first frame of every connection: our protocol version and who we are.
agent::v1::ClientFrame HelloFrame();

}  // namespace ember::daemon
