#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/blocking_task.h"
#include "guest-agent/freezer.h"

namespace ember::agent {
namespace {

constexpr uint32_t kMostMs = 5000;

// From the first frozen file system to the last that is thawed: no log, no file.
absl::Status Hold(FrozenFilesystems& frozen, FrameSocket& client, absl::Duration limit,
                  const Cancellation& cancellation) {
  v1::AgentFrame reply;
  for (const std::string& mount_point : frozen.mount_points()) {
    reply.mutable_frozen()->add_mount_points(mount_point);
  }
  reply.mutable_frozen();
  client.SetCancellation(cancellation.Within(limit));
  RETURN_IF_ERROR(client.Send(reply));
  const auto next = client.NextClientFrame();
  absl::Status thawed = frozen.Thaw();
  client.SetCancellation(cancellation);
  RETURN_IF_ERROR(next.status());
  if (!(*next)->has_thaw()) return InvalidArgument("a frame behind FreezeFilesystems is not Thaw");
  return thawed;
}

absl::Status FreezeFor(FrameSocket& client, std::unique_ptr<Freezer::Turn> turn,
                       absl::Duration limit, const Cancellation& cancellation) {
  ASSIGN_OR_RETURN(auto frozen, turn->Freeze(limit));
  const absl::Status held = Hold(*frozen, client, limit, cancellation);
  // A client that has its answer may freeze again at once.
  frozen.reset();
  turn.reset();
  if (absl::IsDeadlineExceeded(held)) {
    return DeadlineExceeded("the file systems were thawed after {}: nobody asked for it sooner",
                            absl::FormatDuration(limit));
  }
  RETURN_IF_ERROR(held);
  v1::AgentFrame done;
  done.mutable_done();
  return client.Send(done);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SessionTask>> StartFreezeTask(const Context& context,
                                                             const v1::ClientFrame& request,
                                                             ClientLink& link) {
  const uint32_t limit_ms = request.freeze_filesystems().limit_ms();
  if (limit_ms == 0 || limit_ms > kMostMs) {
    return InvalidArgument("FreezeFilesystems: a limit is 1 to {} ms, not {}", kMostMs, limit_ms);
  }
  // Whose clock it is, his are the disks.
  if (context.clock == ClockOwner::kHost) {
    return PermissionDenied(
        "FreezeFilesystems: this agent runs in no VM; the disks are the host's");
  }
  ASSIGN_OR_RETURN(auto turn, context.freezer.Take());
  return StartBlockingTask(context, link, "freeze",
                           [turn = std::move(turn), limit_ms](
                               FrameSocket& client, const Cancellation& cancellation) mutable {
                             return FreezeFor(client, std::move(turn), absl::Milliseconds(limit_ms),
                                              cancellation);
                           });
}

}  // namespace ember::agent
