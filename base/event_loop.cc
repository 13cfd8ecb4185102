#include "base/event_loop.h"

#include <pthread.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/check.h"
#include "base/status.h"

namespace ember {
namespace {

constexpr uint64_t kWakeSerial = 0;

// As good as infinite, and far from overflowing the clock.
constexpr absl::Duration kForever = absl::Hours(24 * 365 * 100);

}  // namespace

absl::StatusOr<std::unique_ptr<EventLoop>> EventLoop::Create(std::string name) {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return ErrnoStatus(errno, "epoll_create1");
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return ErrnoStatus(errno, "eventfd");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kWakeSerial;
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) {
    return ErrnoStatus(errno, "epoll_ctl");
  }
  return std::unique_ptr<EventLoop>(
      new EventLoop(std::move(name), std::move(epoll), std::move(wake)));
}

EventLoop::EventLoop(std::string name, UniqueFd epoll, UniqueFd wake)
    : name_(std::move(name)), epoll_(std::move(epoll)), wake_(std::move(wake)) {}

EventLoop::~EventLoop() {
  Stop();
  while (DropOne()) {
  }
}

// Destroys something that will never run; false when nothing is left. One at a time and out of its
// container first: what it owns may call back into the loop.
bool EventLoop::DropOne() {
  if (!watchers_.empty()) {
    auto watcher = watchers_.extract(watchers_.begin());
    serial_of_.erase(watcher.mapped().fd);
    return true;
  }
  if (!timers_.empty()) {
    auto timer = timers_.extract(timers_.begin());
    timer_due_.erase(timer.key().second);
    return true;
  }
  Task task;
  std::lock_guard lock(mutex_);
  if (tasks_.empty()) return false;
  task = std::move(tasks_.front());
  tasks_.pop_front();
  return true;
}

void EventLoop::Run() {
  runner_ = std::this_thread::get_id();
  std::array<epoll_event, 64> events;
  while (!stop_) {
    const int count = epoll_wait(epoll_.get(), events.data(), events.size(), TimeoutMs());
    EMBER_CHECK(count >= 0 || errno == EINTR);
    for (int i = 0; i < count && !stop_; ++i) Dispatch(events[i]);
    if (!stop_) RunTimers();
  }
  runner_ = std::thread::id();
}

void EventLoop::Start() {
  EMBER_CHECK(!thread_.joinable());
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
    Run();
  });
}

void EventLoop::Stop() {
  stop_ = true;
  eventfd_write(wake_.get(), 1);
  if (IsCurrent()) return;
  std::lock_guard lock(join_mutex_);
  if (thread_.joinable()) thread_.join();
}

void EventLoop::Post(Task task) {
  {
    std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    if (tasks_.size() > 1) return;  // the first of a batch has woken the loop
  }
  eventfd_write(wake_.get(), 1);
}

absl::Status EventLoop::Watch(int fd, uint32_t events, Ready ready) {
  EMBER_CHECK(!serial_of_.contains(fd));
  const uint64_t serial = next_serial_++;
  if (events != 0 && Control(EPOLL_CTL_ADD, fd, events, serial) != 0) {
    return ErrnoStatus(errno, "epoll_ctl");
  }
  serial_of_[fd] = serial;
  watchers_[serial] = {fd, events, std::make_shared<Ready>(std::move(ready))};
  return absl::OkStatus();
}

void EventLoop::Rearm(int fd, uint32_t events) {
  auto found = serial_of_.find(fd);
  EMBER_CHECK(found != serial_of_.end());
  Watcher& watcher = watchers_[found->second];
  if (watcher.events == events) return;
  const int operation =
      watcher.events == 0 ? EPOLL_CTL_ADD : (events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD);
  EMBER_CHECK(Control(operation, fd, events, found->second) == 0);
  watcher.events = events;
}

void EventLoop::Forget(int fd) {
  auto found = serial_of_.find(fd);
  if (found == serial_of_.end()) return;
  if (watchers_[found->second].events != 0) Control(EPOLL_CTL_DEL, fd, 0, 0);
  const auto dropped = watchers_.extract(found->second);
  serial_of_.erase(found);
}

int EventLoop::Control(int operation, int fd, uint32_t events, uint64_t serial) const {
  epoll_event event{};
  event.events = events;
  event.data.u64 = serial;
  return epoll_ctl(epoll_.get(), operation, fd, &event);
}

EventLoop::TimerId EventLoop::RunAfter(absl::Duration delay, Task task) {
  const TimerId id = next_timer_++;
  const Clock::time_point due = Clock::now() + absl::ToChronoNanoseconds(std::min(delay, kForever));
  timers_.emplace(std::pair(due, id), std::move(task));
  timer_due_[id] = due;
  return id;
}

void EventLoop::CancelTimer(TimerId id) {
  auto found = timer_due_.find(id);
  if (found == timer_due_.end()) return;
  // Destroyed only when nothing points to it any more: what it owns may cancel it once more.
  const auto dropped = timers_.extract({found->second, id});
  timer_due_.erase(found);
}

void EventLoop::AssertCurrent() const { EMBER_CHECK(IsCurrent()); }

bool EventLoop::IsCurrent() const { return runner_ == std::this_thread::get_id(); }

void EventLoop::Dispatch(const epoll_event& event) {
  const uint64_t serial = event.data.u64;  // epoll_event is packed: no reference may point into it
  if (serial == kWakeSerial) {
    RunTasks();
    return;
  }
  auto found = watchers_.find(serial);
  if (found == watchers_.end()) return;
  const std::shared_ptr<Ready> ready = found->second.ready;
  (*ready)(event.events);
}

void EventLoop::RunTasks() {
  eventfd_t ignored;
  eventfd_read(wake_.get(), &ignored);
  std::deque<Task> tasks;
  {
    std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
  }
  for (Task& task : tasks) {
    if (stop_) return;
    std::move(task)();
  }
}

void EventLoop::RunTimers() {
  const Clock::time_point now = Clock::now();
  while (!timers_.empty() && timers_.begin()->first.first <= now && !stop_) {
    auto node = timers_.extract(timers_.begin());
    timer_due_.erase(node.key().second);
    std::move(node.mapped())();
  }
}

int EventLoop::TimeoutMs() const {
  if (timers_.empty()) return -1;
  const auto left = timers_.begin()->first.first - Clock::now();
  const auto millis = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return static_cast<int>(std::clamp<int64_t>(millis, 0, 60'000));
}

}  // namespace ember
