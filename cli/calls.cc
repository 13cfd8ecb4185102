#include "cli/calls.h"

#include "base/status.h"
#include "cli/exit_code.h"
#include "cli/rpc_status.h"

namespace ember::cli {
namespace {

using SystemClock = std::chrono::system_clock;

// How often a waiting call looks for Ctrl-C and redraws its progress.
constexpr auto kTick = std::chrono::milliseconds(100);

}  // namespace

CallLoop::~CallLoop() {
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) continue;
}

grpc::ClientContext* CallLoop::NewContext() {
  contexts_.push_back(std::make_unique<grpc::ClientContext>());
  grpc::ClientContext* context = contexts_.back().get();
  if (options_.limit != absl::InfiniteDuration()) {
    context->set_deadline(SystemClock::now() + absl::ToChronoMicroseconds(options_.limit));
  }
  return context;
}

bool CallLoop::Next() {
  void* tag = nullptr;
  bool ok = false;
  while (true) {
    const auto event = queue_.AsyncNext(&tag, &ok, SystemClock::now() + kTick);
    if (event == grpc::CompletionQueue::GOT_EVENT) return ok;
    Tick();
  }
}

absl::Status CallLoop::Outcome(const grpc::Status& status,
                               const grpc::ClientContext& context) const {
  if (interrupted_) return Interrupted();
  return StatusOfCall(status, context);
}

void CallLoop::Tick() {
  if (options_.progress != nullptr) options_.progress->Tick();
  while (signals_.Next() == SIGINT) {
    interrupted_ = true;
    for (const auto& context : contexts_) context->TryCancel();
  }
}

absl::Status Interrupted() { return WithReason(Cancelled("interrupted"), kReasonInterrupted); }

}  // namespace ember::cli
