#include "base/sequence.h"

#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "base/thread_cache.h"

namespace ember {
namespace {

// The sequence whose task runs on this thread, so that AssertCurrent needs no lock.
thread_local const Sequence* current_sequence = nullptr;

// As good as infinite, and far from overflowing the clock.
constexpr absl::Duration kForever = absl::Hours(24 * 365 * 100);

}  // namespace

Sequence::Sequence(std::string name, SequenceThread thread)
    : name_(std::move(name)), kind_(thread) {}

Sequence::~Sequence() { Shutdown(); }

bool Sequence::Post(Task task) {
  std::lock_guard lock(mutex_);
  if (closed_) return false;
  queue_.push_back(std::move(task));
  Wake();
  return true;
}

bool Sequence::PostAfter(absl::Duration delay, Task task) {
  std::lock_guard lock(mutex_);
  if (closed_) return false;
  delayed_.emplace(Clock::now() + absl::ToChronoNanoseconds(std::min(delay, kForever)),
                   std::move(task));
  Wake();
  return true;
}

void Sequence::Wake() {
  if (running_) return wake_.notify_one();
  running_ = true;
  RunOnCachedThread(name_, [this] { Run(); });
}

void Sequence::Shutdown() {
  EMBER_CHECK(!IsCurrent());
  // Delayed tasks may own replies that post elsewhere: destroyed outside the lock.
  std::multimap<Clock::time_point, Task> dropped;
  std::unique_lock lock(mutex_);
  closed_ = true;
  wake_.notify_one();
  left_.wait(lock, [this] { return !running_; });
  dropped.swap(delayed_);
  lock.unlock();
}

void Sequence::AssertCurrent() const { EMBER_CHECK(IsCurrent()); }

bool Sequence::IsCurrent() const { return current_sequence == this; }

void Sequence::Run() {
  current_sequence = this;
  for (Task task; NextTask(task); task = nullptr) std::move(task)();
  // Whoever waits in Shutdown may have destroyed this object by now.
  current_sequence = nullptr;
}

bool Sequence::NextTask(Task& task) {
  std::unique_lock lock(mutex_);
  while (true) {
    // A delayed task that is due joins the queue behind what is there.
    while (!delayed_.empty() && delayed_.begin()->first <= Clock::now()) {
      queue_.push_back(std::move(delayed_.begin()->second));
      delayed_.erase(delayed_.begin());
    }
    if (!queue_.empty()) {
      task = std::move(queue_.front());
      queue_.pop_front();
      return true;
    }
    const bool idle = kind_ == SequenceThread::kBorrowed && delayed_.empty();
    if (closed_ || idle) {
      running_ = false;
      left_.notify_all();
      return false;
    }
    if (delayed_.empty()) {
      wake_.wait(lock);
    } else {
      wake_.wait_until(lock, delayed_.begin()->first);
    }
  }
}

}  // namespace ember
