#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "base/cancellation.h"
#include "base/event_loop.h"

namespace ember {

// Work that blocks, for an event loop that must not: each job has a thread of its own while it
// runs. Lives on the loop's thread, and so do the jobs.
class Workers {
 public:
  // What a job does last, on the loop.
  using Finish = absl::AnyInvocable<void() &&>;
  // What a job does on its thread. It comes back soon after its cancellation is requested.
  using Work = absl::AnyInvocable<Finish(const Cancellation&) &&>;

  // Somebody's interest in a job. When it goes, the job is asked to stop and its Finish is dropped.
  class Job {
   public:
    ~Job();
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;

   private:
    friend class Workers;
    struct State;
    explicit Job(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;  // shared with the job's thread and its Finish on the loop
  };

  // `loop` outlives the object. At most `most` jobs run at a time.
  Workers(EventLoop& loop, size_t most);
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  // Asks every job to stop and waits until none runs.
  ~Workers();

  // Starts a job; `name` is its thread's, cut to 15 characters. ResourceExhausted when `most` run
  // already. Finish is called at most once, never from within Start.
  absl::StatusOr<std::unique_ptr<Job>> Start(std::string_view name, Work work);

 private:
  struct Crew;
  EventLoop& loop_;
  const size_t most_;
  std::shared_ptr<Crew> crew_;  // shared with the threads
};

}  // namespace ember
