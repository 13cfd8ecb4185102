#include "cli/call_watch.h"

#include <utility>

#include "base/status.h"
#include "cli/exit_code.h"
#include "cli/rpc_status.h"

namespace ember::cli {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(100);

}  // namespace

CallWatch::CallWatch(Client& client, Progress& progress, std::function<std::string()> detail)
    : client_(client), progress_(progress), detail_(std::move(detail)) {}

CallWatch::~CallWatch() = default;

grpc::ClientContext& CallWatch::NewContext() {
  return *contexts_.emplace_back(std::make_unique<grpc::ClientContext>());
}

void CallWatch::Start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { Watch(stop); });
}

void CallWatch::Watch(const std::stop_token& stop) {
  const Cancellation cancellation{stop, Deadline::Infinite()};
  while (cancellation.Pause(kTick, "watching").ok()) {
    if (!client_.CheckInterrupted().ok()) {
      interrupt_.request_stop();
      for (const auto& context : contexts_) context->TryCancel();
    }
    progress_.Detail(detail_());
  }
}

absl::Status CallWatch::Outcome(const grpc::Status& status, const grpc::ClientContext& context) {
  if (interrupted()) return WithReason(Cancelled("interrupted"), kReasonInterrupted);
  return StatusOfCall(status, context);
}

}  // namespace ember::cli
