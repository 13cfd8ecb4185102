#include "daemon/rpc/event_reactor.h"

#include <atomic>
#include <stop_token>
#include <utility>
#include <vector>

#include "base/status.h"
#include "daemon/rpc/convert.h"
#include "daemon/rpc/status_to_grpc.h"

namespace ember::daemon::rpc {
namespace {

constexpr size_t kBatch = 256;

// At any time exactly one thing is under way: a question to the host or a write. What completes it
// takes the next step, so no state is ever touched by two threads at once.
class EventReactor : public grpc::ServerWriteReactor<v1::Event> {
 public:
  EventReactor(Host& host, grpc::CallbackServerContext& context,
               const v1::WatchEventsRequest& request)
      : host_(host),
        context_(context),
        vm_name_(request.vm_name()),
        after_(request.after_sequence()) {
    // "From now on" and "from the oldest" need the numbers that the host has.
    if (after_ != 0) {
      Pull();
      return;
    }
    host_.Summarize(Reply<Host::Summary>([this, from_oldest = request.from_oldest()](auto summary) {
      if (!summary.ok()) return Finish(StatusToGrpc(summary.status(), context_));
      after_ = from_oldest ? summary->oldest_event - 1 : summary->last_event;
      // The client learns that it is subscribed before anything happens.
      StartSendInitialMetadata();
      Pull();
    }));
  }

 private:
  void Pull() {
    host_.NextEvents(after_, kBatch, {stop_.get_token(), {}},
                     Reply<std::vector<state::Event>>([this](auto events) {
                       if (!events.ok()) return Finish(StatusToGrpc(events.status(), context_));
                       batch_ = *std::move(events);
                       next_ = 0;
                       WriteNext();
                     }));
  }

  void WriteNext() {
    while (next_ < batch_.size()) {
      const state::Event& event = batch_[next_++];
      after_ = event.sequence;
      if (!vm_name_.empty() && event.vm_name != vm_name_) continue;
      message_ = ToProto(event);
      return StartWrite(&message_);
    }
    Pull();
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the client has gone"));
    WriteNext();
  }
  void OnCancel() override { stop_.request_stop(); }
  void OnDone() override { delete this; }

  Host& host_;
  grpc::CallbackServerContext& context_;
  const std::string vm_name_;
  uint64_t after_;
  std::vector<state::Event> batch_;
  size_t next_ = 0;
  v1::Event message_;
  std::stop_source stop_;
};

}  // namespace

grpc::ServerWriteReactor<v1::Event>* NewEventReactor(Host& host,
                                                     grpc::CallbackServerContext& context,
                                                     const v1::WatchEventsRequest& request) {
  return new EventReactor(host, context, request);
}

}  // namespace ember::daemon::rpc
