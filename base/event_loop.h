#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/unique_fd.h"

namespace ember {

// One thread around epoll(7): descriptors, timers and posted tasks. Callbacks run on the loop's
// thread and never block. Post and Stop are thread-safe; everything else belongs to the loop's
// thread (or to its creator before Run/Start).
//
// A callback may watch, change or forget any descriptor, its own too: an event that was already
// fetched for a watch that has been forgotten since is dropped, also when the number of the
// descriptor has been used again.
class ABSL_LOCKABLE EventLoop {
 public:
  using Task = absl::AnyInvocable<void() &&>;
  // `events` is a mask of EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLERR.
  using Ready = std::function<void(uint32_t events)>;
  using TimerId = uint64_t;

  // Fails when the process or the host has no descriptors left.
  static absl::StatusOr<std::unique_ptr<EventLoop>> Create(std::string name);
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;
  // Stops and joins the thread of Start; tasks, timers and watches that are left are destroyed
  // unrun (their replies answer Cancelled, and may still post or cancel here).
  ~EventLoop();

  // Runs the loop on the calling thread until Stop.
  void Run();
  // Runs the loop on a thread of its own.
  void Start();
  // Makes Run return after the current callback; joins the thread of Start unless called on it.
  // Thread-safe, idempotent, also from several threads at once.
  void Stop();

  // Runs `task` on the loop's thread. Thread-safe.
  void Post(Task task);

  // Calls `ready` whenever `fd` has one of `events` (level-triggered), until Forget(fd). The loop
  // borrows `fd`: Forget it before closing it. While `events` is not 0, EPOLLHUP and EPOLLERR are
  // reported too; with 0 nothing is, so that a descriptor that has hung up can wait for its turn
  // without spinning the loop. Watching a watched descriptor is a broken invariant.
  absl::Status Watch(int fd, uint32_t events, Ready ready);
  // Changes the events of a watched descriptor.
  void Rearm(int fd, uint32_t events);
  // Stops watching. Forgetting an unwatched descriptor does nothing.
  void Forget(int fd);

  // Runs `task` once, `delay` from now; never where the delay is infinite. The id is never 0.
  TimerId RunAfter(absl::Duration delay, Task task);
  // Drops the timer; one that ran already, or 0, does nothing.
  void CancelTimer(TimerId id);

  // Aborts unless called on the loop's thread; tells clang that the capability is held.
  void AssertCurrent() const ABSL_ASSERT_EXCLUSIVE_LOCK();
  bool IsCurrent() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Watcher {
    int fd;
    uint32_t events;
    std::shared_ptr<Ready> ready;  // shared with a call under way, which may forget its own watch
  };

  EventLoop(std::string name, UniqueFd epoll, UniqueFd wake);
  bool DropOne();
  void RunTasks();
  void RunTimers();
  int TimeoutMs() const;
  void Dispatch(const epoll_event& event);
  int Control(int operation, int fd, uint32_t events, uint64_t serial) const;

  const std::string name_;
  UniqueFd epoll_;
  UniqueFd wake_;
  std::atomic<bool> stop_{false};
  std::atomic<std::thread::id> runner_{};
  std::mutex join_mutex_;
  std::thread thread_;  // joined under join_mutex_

  // Events carry the watch's serial number, so that a stale one finds nothing.
  std::unordered_map<uint64_t, Watcher> watchers_;
  std::unordered_map<int, uint64_t> serial_of_;
  uint64_t next_serial_ = 1;
  std::map<std::pair<Clock::time_point, TimerId>, Task> timers_;
  std::unordered_map<TimerId, Clock::time_point> timer_due_;
  TimerId next_timer_ = 1;

  std::mutex mutex_;
  std::deque<Task> tasks_;  // guarded by mutex_
};

}  // namespace ember
