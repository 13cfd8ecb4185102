#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/cancellation.h"
#include "base/frame.h"
#include "ember/agent/v1/agent.pb.h"
#include "guest-agent/session_task.h"

namespace ember::agent {

// The rest of a session for a job that blocks: frames on a socket that has left the loop. Each call
// waits for the client, until the job is asked to stop. A client that goes away is Cancelled. Not
// thread-safe.
class FrameSocket {
 public:
  explicit FrameSocket(TakenSocket socket);
  FrameSocket(const FrameSocket&) = delete;
  FrameSocket& operator=(const FrameSocket&) = delete;

  void SetCancellation(const Cancellation& cancellation) { cancellation_ = cancellation; }

  absl::Status Send(const v1::AgentFrame& frame);
  absl::Status SendTreeData(std::string_view payload);

  // What a client may send behind WriteTree: a piece of the tree, or nothing at its end. The piece
  // lives until the next call. InvalidArgument for any other frame.
  absl::StatusOr<std::optional<std::string_view>> NextTreeData();

  // The next frame of a kind that we know; it lives until the next call.
  absl::StatusOr<const v1::ClientFrame*> NextClientFrame();

  // Nothing more comes from us: waits until the client has read all and closed, 2 s at most.
  void Finish();
  // The same with Failure as the last frame.
  void Fail(const absl::Status& status);
  // Sends Failure if the client takes it at once; never waits.
  void RefuseNow(const absl::Status& status);

 private:
  absl::Status SendAll(std::string_view head, std::string_view body);
  absl::StatusOr<std::string_view> NextFrame();
  absl::Status Receive();

  UniqueFd fd_;
  Cancellation cancellation_;
  FrameReader frames_;
  std::string unsent_;
  v1::ClientFrame frame_;
};

}  // namespace ember::agent
