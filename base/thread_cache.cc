#include "base/thread_cache.h"

#include <pthread.h>

#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace ember {
namespace {

constexpr auto kIdleLimit = std::chrono::seconds(5);

struct Job {
  std::string name;
  absl::AnyInvocable<void() &&> work;
};

class Cache {
 public:
  void Run(Job job) {
    {
      std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        // The one that was idle last: the others may end.
        Seat& seat = *idle_.back();
        idle_.pop_back();
        seat.job = std::move(job);
        seat.taken = true;
        seat.wake.notify_one();
        return;
      }
    }
    std::thread([this, job = std::move(job)]() mutable { Serve(std::move(job)); }).detach();
  }

 private:
  // Where an idle thread waits for its next job.
  struct Seat {
    std::condition_variable wake;
    bool taken = false;
    Job job;
  };

  void Serve(Job job) {
    Seat seat;
    while (true) {
      pthread_setname_np(pthread_self(), job.name.substr(0, 15).c_str());
      std::move(job.work)();
      job.work = nullptr;  // what it holds may go now
      std::unique_lock lock(mutex_);
      seat.taken = false;
      const auto place = idle_.insert(idle_.end(), &seat);
      if (!seat.wake.wait_for(lock, kIdleLimit, [&seat] { return seat.taken; })) {
        idle_.erase(place);
        return;
      }
      job = std::move(seat.job);
    }
  }

  std::mutex mutex_;
  std::list<Seat*> idle_;
};

}  // namespace

void RunOnCachedThread(std::string_view name, absl::AnyInvocable<void() &&> work) {
  // Never destroyed: idle threads may outlive main.
  static Cache* const kCache = new Cache;
  kCache->Run({std::string(name), std::move(work)});
}

}  // namespace ember
