#include "base/workers.h"

#include <condition_variable>
#include <map>
#include <mutex>
#include <stop_token>
#include <utility>

#include "base/status.h"
#include "base/thread_cache.h"

namespace ember {

struct Workers::Job::State {
  std::stop_source stop;
  bool wanted = true;  // on the loop only
};

// The jobs that run, by number.
struct Workers::Crew {
  std::mutex mutex;
  std::condition_variable left;
  std::map<uint64_t, std::stop_source> running;
  uint64_t next = 1;
};

Workers::Job::Job(std::shared_ptr<State> state) : state_(std::move(state)) {}

Workers::Job::~Job() {
  state_->wanted = false;
  state_->stop.request_stop();
}

Workers::Workers(EventLoop& loop, size_t most)
    : loop_(loop), most_(most), crew_(std::make_shared<Crew>()) {}

Workers::~Workers() {
  std::unique_lock lock(crew_->mutex);
  for (auto& [number, stop] : crew_->running) stop.request_stop();
  crew_->left.wait(lock, [this] { return crew_->running.empty(); });
}

absl::StatusOr<std::unique_ptr<Workers::Job>> Workers::Start(std::string_view name, Work work) {
  auto state = std::make_shared<Job::State>();
  uint64_t number = 0;
  {
    const std::lock_guard lock(crew_->mutex);
    if (crew_->running.size() >= most_) {
      return ResourceExhausted("{} long operations run already", most_);
    }
    number = crew_->next++;
    crew_->running.emplace(number, state->stop);
  }
  RunOnCachedThread(name, [&loop = loop_, crew = crew_, number, state,
                           work = std::move(work)]() mutable {
    Finish finish = std::move(work)(Cancellation{state->stop.get_token(), Deadline::Infinite()});
    work = nullptr;  // what it holds goes before anybody is told
    loop.Post([state, finish = std::move(finish)]() mutable {
      if (state->wanted && finish) std::move(finish)();
    });
    // Last: the loop may go once no job runs.
    const std::lock_guard lock(crew->mutex);
    crew->running.erase(number);
    crew->left.notify_all();
  });
  return std::unique_ptr<Job>(new Job(std::move(state)));
}

}  // namespace ember
