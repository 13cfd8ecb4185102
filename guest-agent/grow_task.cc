#include <string>

#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/blocking_task.h"
#include "guest-agent/file_facts.h"
#include "guest-agent/filesystem_growth.h"

namespace ember::agent {
namespace {

// The kernel learns within milliseconds that a disk has grown.
constexpr absl::Duration kDiskLimit = absl::Seconds(10);

absl::Status Grow(const v1::GrowFilesystem& request, FrameSocket& client,
                  const Cancellation& cancellation) {
  const std::string mount_point = request.mount_point().empty() ? "/" : request.mount_point();
  RETURN_IF_ERROR(CheckPath(mount_point));
  v1::AgentFrame frame;
  ASSIGN_OR_RETURN(const uint64_t bytes, GrowFilesystem(mount_point, request.disk_bytes(),
                                                        cancellation.Within(kDiskLimit)));
  frame.mutable_grown()->set_size_bytes(bytes);
  return client.Send(frame);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SessionTask>> StartGrowTask(const Context& context,
                                                           const v1::ClientFrame& request,
                                                           ClientLink& link) {
  // Whose clock it is, his are the disks.
  if (context.clock == ClockOwner::kHost) {
    return PermissionDenied("GrowFilesystem: this agent runs in no VM; the disks are the host's");
  }
  return StartBlockingTask(
      context, link, "grow",
      [request = request.grow_filesystem()](FrameSocket& client, const Cancellation& cancellation) {
        return Grow(request, client, cancellation);
      });
}

}  // namespace ember::agent
