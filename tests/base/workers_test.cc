#include "base/workers.h"

#include <future>
#include <thread>

#include "tests/support/status_matchers.h"

using namespace ember;
using ember::testing::ValueOf;

namespace {

// A loop on a thread of its own and workers that live there.
class Shop {
 public:
  explicit Shop(size_t most) : loop_(ValueOf(EventLoop::Create("shop"))) {
    loop_->Start();
    OnLoop([&] { workers_.emplace(*loop_, most); });
  }
  ~Shop() {
    OnLoop([&] { workers_.reset(); });
    loop_->Stop();
  }

  template <typename Task>
  void OnLoop(Task task) {
    std::promise<void> done;
    loop_->Post([&] {
      task();
      done.set_value();
    });
    done.get_future().wait();
  }
  Workers& workers() { return *workers_; }
  EventLoop& loop() { return *loop_; }

 private:
  std::unique_ptr<EventLoop> loop_;
  std::optional<Workers> workers_;
};

// Waits until it is asked to stop.
Workers::Finish UntilStopped(const Cancellation& cancellation) {
  (void)cancellation.Pause(absl::InfiniteDuration(), "job");
  return nullptr;
}

}  // namespace

TEST_CASE("a job runs on a thread of its own and finishes on the loop", "[base][workers]") {
  Shop shop(1);
  std::promise<std::pair<bool, bool>> where;
  std::unique_ptr<Workers::Job> job;
  shop.OnLoop([&] {
    auto started = shop.workers().Start("job", [&](const Cancellation&) -> Workers::Finish {
      const bool work_on_loop = shop.loop().IsCurrent();
      return [&, work_on_loop] { where.set_value({work_on_loop, shop.loop().IsCurrent()}); };
    });
    if (started.ok()) job = *std::move(started);
  });
  CHECK(where.get_future().get() == std::pair(false, true));
  shop.OnLoop([&] { job.reset(); });
}

TEST_CASE("a job that nobody wants any more is stopped and says nothing", "[base][workers]") {
  Shop shop(1);
  std::promise<void> began;
  std::atomic<bool> finished = false;
  std::unique_ptr<Workers::Job> job;
  shop.OnLoop([&] {
    auto started =
        shop.workers().Start("job", [&](const Cancellation& cancellation) -> Workers::Finish {
          began.set_value();
          (void)UntilStopped(cancellation);
          return [&] { finished = true; };
        });
    if (started.ok()) job = *std::move(started);
  });
  began.get_future().wait();
  shop.OnLoop([&] { job.reset(); });
  // Room again once it has ended.
  bool again = false;
  while (!again) {
    shop.OnLoop([&] {
      auto started = shop.workers().Start(
          "next", [](const Cancellation&) -> Workers::Finish { return nullptr; });
      again = started.ok();
    });
  }
  CHECK_FALSE(finished);
}

TEST_CASE("no more than the bound run at a time", "[base][workers]") {
  Shop shop(2);
  std::vector<absl::StatusOr<std::unique_ptr<Workers::Job>>> jobs;
  shop.OnLoop([&] {
    for (int i = 0; i < 3; ++i) jobs.push_back(shop.workers().Start("job", UntilStopped));
  });
  CHECK(jobs[0].ok());
  CHECK(jobs[1].ok());
  CHECK(absl::IsResourceExhausted(jobs[2].status()));
  shop.OnLoop([&] { jobs.clear(); });
}

TEST_CASE("the workers' end stops what still runs", "[base][workers]") {
  std::unique_ptr<Workers::Job> job;
  std::atomic<bool> stopped = false;
  {
    Shop shop(1);
    shop.OnLoop([&] {
      auto started =
          shop.workers().Start("job", [&](const Cancellation& cancellation) -> Workers::Finish {
            (void)UntilStopped(cancellation);
            stopped = true;
            return nullptr;
          });
      if (started.ok()) job = *std::move(started);
    });
  }
  CHECK(stopped);
}
