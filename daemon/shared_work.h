#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "backends/images/image_record.h"
#include "backends/images/progress.h"
#include "base/cancellation.h"
#include "base/reply.h"
#include "base/sequence.h"

namespace ember::daemon {

// Long work that makes an image, done once for all who ask for the same at the same time: each
// hears its progress and gets its outcome. Who cancels leaves the others with it; when the last one
// has left, the work is cancelled. Lives on `sequence`; sinks and replies are called there.
class SharedWork {
 public:
  // Blocks within the cancellation; on a thread of its own.
  using Work = absl::AnyInvocable<absl::StatusOr<images::ImageRecord>(const images::ProgressSink&,
                                                                      const Cancellation&) &&>;
  using RunApart = std::function<void(Sequence::Task)>;

  // Somebody who asks for the work.
  struct Guest {
    images::ProgressSink sink;
    Cancellation cancellation;
    Reply<images::ImageRecord> reply;
  };

  // `sequence` is borrowed and outlives it; `run_apart` starts a thread for a piece of work, which
  // ends before the sequence does.
  SharedWork(Sequence& sequence, RunApart run_apart);

  // Starts `work`, or joins the one of this key that is under way.
  void Join(const std::string& key, Work work, Guest guest);

  // Cancels all of it, whoever waits.
  void CancelAll();

 private:
  struct Seat {
    Guest guest;
    // Posts the guest's leave. Gone with the seat.
    std::unique_ptr<std::stop_callback<std::function<void()>>> on_cancel;
  };
  struct Job {
    std::string key;
    std::stop_source stop;
    std::map<uint64_t, Seat> seats;
    std::optional<images::Progress> latest;
  };

  void Start(uint64_t id, Work work);
  void Sit(uint64_t job_id, Job& job, Guest guest);
  void Leave(uint64_t job_id, uint64_t seat_id);
  void OnProgress(uint64_t job_id, const images::Progress& progress);
  void OnDone(uint64_t job_id, const absl::StatusOr<images::ImageRecord>& result);

  Sequence& sequence_;
  const RunApart run_apart_;
  std::map<uint64_t, Job> jobs_;            // a key once; of the sequence
  std::map<std::string, uint64_t> by_key_;  // the same
  uint64_t next_id_ = 1;
};

}  // namespace ember::daemon
