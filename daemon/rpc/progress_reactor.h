#pragma once

#include <grpcpp/grpcpp.h>

#include <deque>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>

#include "absl/status/statusor.h"
#include "base/cancellation.h"
#include "base/event_loop.h"
#include "base/reply.h"
#include "daemon/catalog.h"
#include "daemon/rpc/convert.h"
#include "daemon/rpc/status_to_grpc.h"
#include "daemon/rpc/unary_call.h"

namespace ember::daemon::rpc {

// Streams the progress of a long operation and its result. `Message` is ImageProgress,
// SaveProgress or KernelProgress, `Record` what the operation makes. Of counts that the client is
// too slow for it gets the newest of each item. All state lives on `io`; owns itself until the call
// is done.
template <typename Message, typename Record>
class ProgressReactor : public grpc::ServerWriteReactor<Message> {
 public:
  ProgressReactor(EventLoop& io, grpc::CallbackServerContext& context)
      : io_(io), context_(context), deadline_(DeadlineOf(context)) {}

  // Requested when the client goes away.
  Cancellation cancellation() const { return {stop_.get_token(), deadline_}; }

  // To be called from any thread until the reply has been answered.
  images::ProgressSink sink() {
    return [this](const images::Progress& progress) {
      io_.Post([this, progress] {
        Queue(progress);
        WriteNext();
      });
    };
  }

  // Ends the call.
  Reply<Record> Answer() {
    return Reply<Record>([this](absl::StatusOr<Record> result) {
      io_.Post([this, result = std::move(result)] {
        ended_ = true;
        end_ = result.status();
        if (result.ok()) {
          Message message;
          *message.mutable_result() = ToProto(*result);
          result_ = std::move(message);
        }
        WriteNext();
      });
    });
  }

 private:
  // Steps that wait for a slow client; older ones go.
  static constexpr size_t kMostWaiting = 512;

  void Queue(const images::Progress& progress) {
    Message message;
    *message.mutable_progress() = ToProto(progress);
    const bool counts = progress.done != 0 || progress.total != 0;
    for (Message& waiting : waiting_) {
      const v1::Progress& older = waiting.progress();
      const bool same = older.stage() == progress.stage && older.item() == progress.item;
      if (counts && same && (older.done() != 0 || older.total() != 0))
        return waiting.Swap(&message);
    }
    if (waiting_.size() == kMostWaiting) waiting_.pop_front();
    waiting_.push_back(std::move(message));
  }

  void WriteNext() {
    if (writing_ || finished_) return;
    if (!waiting_.empty() && !cancelled_) {
      message_.Swap(&waiting_.front());
      waiting_.pop_front();
      writing_ = true;
      return this->StartWrite(&message_);
    }
    if (result_.has_value() && !cancelled_) {
      message_.Swap(&*result_);
      result_.reset();
      writing_ = true;
      return this->StartWrite(&message_);
    }
    if (!ended_) return;
    finished_ = true;
    this->Finish(StatusToGrpc(end_, context_));
  }

  void OnWriteDone(bool ok) override {
    io_.Post([this, ok] {
      writing_ = false;
      if (!ok) cancelled_ = true;
      WriteNext();
    });
  }
  void OnCancel() override { stop_.request_stop(); }
  void OnDone() override { delete this; }

  EventLoop& io_;
  grpc::CallbackServerContext& context_;
  const Deadline deadline_;
  std::stop_source stop_;
  Message message_;
  std::deque<Message> waiting_;
  std::optional<Message> result_;
  absl::Status end_;
  bool writing_ = false;
  bool ended_ = false;
  bool cancelled_ = false;
  bool finished_ = false;
};

}  // namespace ember::daemon::rpc
