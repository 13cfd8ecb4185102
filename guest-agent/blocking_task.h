#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "guest-agent/frame_socket.h"
#include "guest-agent/session_task.h"

namespace ember::agent {

// Answers a request on a thread of its own, which takes the client's socket along: `answer` is
// called there as `absl::Status answer(FrameSocket& client, const Cancellation&)`, may wait for the
// client and for disks, and sends the answer; its error is sent as Failure.
template <typename Answer>
absl::StatusOr<std::unique_ptr<SessionTask>> StartBlockingTask(const Context& context,
                                                               ClientLink& link,
                                                               std::string_view name,
                                                               Answer answer) {
  // Shared with the job, which may never start.
  auto client = std::make_shared<FrameSocket>(link.Take());
  const absl::Status started = context.jobs.Start(
      name, [client, answer = std::move(answer)](const Cancellation& cancellation) mutable {
        client->SetCancellation(cancellation);
        const absl::Status answered = answer(*client, cancellation);
        if (answered.ok()) {
          client->Finish();
        } else if (!absl::IsCancelled(answered)) {
          client->Fail(answered);
        }
      });
  if (!started.ok()) client->RefuseNow(started);
  return nullptr;
}

}  // namespace ember::agent
