#include "base/sequence.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>

#include "base/check.h"

namespace ember {
namespace {

// The sequence whose task runs on this thread, so that AssertCurrent needs no lock.
thread_local const Sequence* current_sequence = nullptr;

// As good as infinite, and far from overflowing the clock.
constexpr absl::Duration kForever = absl::Hours(24 * 365 * 100);

}  // namespace

Sequence::Sequence(std::string name) : name_(std::move(name)) {}

Sequence::~Sequence() { Shutdown(); }

bool Sequence::Post(Task task) {
  {
    std::lock_guard lock(mutex_);
    if (closed_) return false;
    queue_.push_back(std::move(task));
    if (!thread_.joinable()) thread_ = std::thread(&Sequence::Run, this);
  }
  wake_.notify_one();
  return true;
}

bool Sequence::PostAfter(absl::Duration delay, Task task) {
  {
    std::lock_guard lock(mutex_);
    if (closed_) return false;
    delayed_.emplace(Clock::now() + absl::ToChronoNanoseconds(std::min(delay, kForever)),
                     std::move(task));
    if (!thread_.joinable()) thread_ = std::thread(&Sequence::Run, this);
  }
  wake_.notify_one();
  return true;
}

void Sequence::Shutdown() {
  EMBER_CHECK(!IsCurrent());
  std::thread thread;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    thread.swap(thread_);
  }
  wake_.notify_one();
  if (thread.joinable()) thread.join();
  // Delayed tasks may own replies that post elsewhere: destroy them outside the lock.
  std::multimap<Clock::time_point, Task> dropped;
  std::lock_guard lock(mutex_);
  dropped.swap(delayed_);
}

void Sequence::AssertCurrent() const { EMBER_CHECK(IsCurrent()); }

bool Sequence::IsCurrent() const { return current_sequence == this; }

void Sequence::Run() {
  pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
  current_sequence = this;
  for (Task task; NextTask(task); task = nullptr) std::move(task)();
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
    if (closed_) return false;
    if (delayed_.empty()) {
      wake_.wait(lock);
    } else {
      wake_.wait_until(lock, delayed_.begin()->first);
    }
  }
}

}  // namespace ember
