#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "ember/agent/v1/agent.pb.h"
#include "guest-agent/context.h"
#include "guest-agent/peer_stream.h"
#include "guest-agent/taken_socket.h"

// What the sessions of the framed port do: one file each, all named in session_tasks.cc.
namespace ember::agent {

// The way from a task to its client. Lives on the loop, as long as the session.
class ClientLink {
 public:
  virtual ~ClientLink() = default;

  // Queues a frame and sends what the socket takes. The task bounds what it queues.
  virtual void Send(const v1::AgentFrame& frame) = 0;
  // Bytes that wait for the client to read.
  virtual size_t pending() const = 0;
  // kOff: the client's next frames wait in the socket. May be called from within OnFrame.
  virtual void SetReading(Reading reading) = 0;
  // The last frame is queued: the connection ends once it is sent. The task gets no frames any
  // more.
  virtual void Finish() = 0;
  // Failure as the last frame.
  virtual void Fail(const absl::Status& status) = 0;
  // Takes the connection out of the session, which has ended by that: its task goes soon, but not
  // from within this call.
  virtual TakenSocket Take() = 0;
};

// What a session does from its request on. Destroying it ends that as a client that goes away does.
// Lives on the loop.
class SessionTask {
 public:
  virtual ~SessionTask() = default;
  // A frame after the request, never another request. An error ends the session with Failure.
  virtual absl::Status OnFrame(const v1::ClientFrame& frame) = 0;
  // The client has read: pending() is smaller than it was.
  virtual void OnSent() {}
};

// Starts the task of a request. Null when the request has been answered and the session finished.
// An error ends the session with Failure. `link` outlives the task.
using StartTask = absl::StatusOr<std::unique_ptr<SessionTask>>(const Context& context,
                                                               const v1::ClientFrame& request,
                                                               ClientLink& link);

// Null for a frame that is no request.
StartTask* FindTask(v1::ClientFrame::KindCase request);

// What this agent can do, as HelloReply says it.
std::vector<std::string_view> Capabilities();

// The tasks.
StartTask StartAcceptTask;
StartTask StartConnectTask;
StartTask StartDatagramTask;
StartTask StartExecTask;
StartTask StartFollowTask;
StartTask StartFreezeTask;
StartTask StartGetStatsTask;
StartTask StartGrowTask;
StartTask StartListDirectoryTask;
StartTask StartListProcessesTask;
StartTask StartListenTask;
StartTask StartMakeDirectoryTask;
StartTask StartReadTreeTask;
StartTask StartRemoveFileTask;
StartTask StartSetClockTask;
StartTask StartShutdownTask;
StartTask StartSignalProcessTask;
StartTask StartStatFileTask;
StartTask StartWaitPortTask;
StartTask StartWriteTreeTask;

}  // namespace ember::agent
