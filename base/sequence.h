#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"

namespace ember {

// Where a sequence's tasks run.
enum class SequenceThread {
  kOwn,       // a thread that starts at the first Post and stays
  kBorrowed,  // a cached one (thread_cache.h) while there is something to do: for the many that are
              // idle most of the time
};

// A named thread that runs posted tasks one at a time, in the order they were posted. State that
// belongs to a sequence is annotated ABSL_GUARDED_BY(sequence_), and a task starts with
// `sequence_.AssertCurrent()`: clang then refuses to compile an access from anywhere else, and the
// assertion aborts on one at run time.
//
// Make it the last member of its owner: its destructor runs what is queued and waits for it, while
// the other members still live. Thread-safe.
class ABSL_LOCKABLE Sequence {
 public:
  using Task = absl::AnyInvocable<void() &&>;

  // `name` is the thread's, cut to 15 characters (pthread_setname_np).
  explicit Sequence(std::string name, SequenceThread thread = SequenceThread::kOwn);
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;
  // Shutdown().
  ~Sequence();

  // Runs `task` after everything posted before. After Shutdown the task is destroyed unrun (its
  // replies answer Cancelled) and the answer is false.
  bool Post(Task task);

  // Runs `task` no sooner than `delay` from now, after what is queued then; never where the delay
  // is infinite. Dropped at Shutdown.
  bool PostAfter(absl::Duration delay, Task task);

  // Runs what is queued, drops what is delayed, and waits until no thread is in it any more.
  // Idempotent. Not from the sequence's own thread.
  void Shutdown();

  // Aborts unless called on this sequence's thread; tells clang that the capability is held.
  void AssertCurrent() const ABSL_ASSERT_EXCLUSIVE_LOCK();
  bool IsCurrent() const;

  const std::string& name() const { return name_; }

 private:
  using Clock = std::chrono::steady_clock;

  void Wake();  // with mutex_ held
  void Run();
  bool NextTask(Task& task);

  const std::string name_;
  const SequenceThread kind_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;  // for the thread that runs
  std::condition_variable left_;  // no thread runs any more
  std::deque<Task> queue_;
  std::multimap<Clock::time_point, Task> delayed_;
  bool closed_ = false;
  bool running_ = false;  // a thread runs tasks or waits for some
};

}  // namespace ember
