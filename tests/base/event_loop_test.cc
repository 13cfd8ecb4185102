#include "base/event_loop.h"

#include <sys/eventfd.h>

#include <memory>
#include <thread>
#include <vector>

#include "base/reply.h"
#include "base/socket.h"
#include "tests/support/catch.h"
#include "tests/support/gate.h"
#include "tests/support/status_matchers.h"

namespace ember {
namespace {

using testing::Gate;
using testing::ValueOf;

// A loop that runs on the test's own thread, so that nothing is shared.
struct LoopContext {
  std::unique_ptr<EventLoop> loop = ValueOf(EventLoop::Create("test"));
  UniqueFd event{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
};

TEST_CASE("posted tasks run in order on the loop's thread", "[base][event_loop]") {
  const auto loop = ValueOf(EventLoop::Create("test"));
  std::vector<int> order;
  Gate done;
  loop->Start();
  for (int i = 0; i < 100; ++i) {
    loop->Post([&, i] {
      loop->AssertCurrent();
      order.push_back(i);
      if (i == 99) done.Open();
    });
  }
  REQUIRE(done.WaitOpen());
  CHECK_FALSE(loop->IsCurrent());
  REQUIRE(order.size() == 100);
  for (int i = 0; i < 100; ++i) CHECK(order[i] == i);
}

TEST_CASE("tasks of many threads all run", "[base][event_loop]") {
  const auto loop = ValueOf(EventLoop::Create("test"));
  int ran = 0;  // touched by the loop only
  Gate done;
  loop->Start();
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        loop->Post([&] {
          if (++ran == 4000) done.Open();
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(done.WaitOpen());
}

TEST_CASE("a watched descriptor is reported until it is forgotten", "[base][event_loop]") {
  LoopContext context;
  int calls = 0;
  REQUIRE_OK(context.loop->Watch(context.event.get(), EPOLLIN, [&](uint32_t events) {
    CHECK((events & EPOLLIN) != 0);
    if (++calls < 3) return;  // level-triggered: it comes again
    context.loop->Forget(context.event.get());
    context.loop->Forget(context.event.get());
    context.loop->Post([&] { context.loop->Stop(); });
  }));
  eventfd_write(context.event.get(), 1);
  context.loop->Run();
  CHECK(calls == 3);
}

TEST_CASE("an event that was fetched for a forgotten watch is dropped", "[base][event_loop]") {
  LoopContext context;
  UniqueFd other(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  int calls = 0;
  // Both are ready at once, and whichever comes first forgets the other and uses its number again.
  const auto replace = [&](int mine, int theirs) {
    ++calls;
    context.loop->Forget(mine);
    context.loop->Forget(theirs);
    REQUIRE_OK(context.loop->Watch(theirs, 0, [&](uint32_t) { calls += 100; }));
  };
  const int a = context.event.get(), b = other.get();
  REQUIRE_OK(context.loop->Watch(a, EPOLLIN, [&](uint32_t) { replace(a, b); }));
  REQUIRE_OK(context.loop->Watch(b, EPOLLIN, [&](uint32_t) { replace(b, a); }));
  eventfd_write(a, 1);
  eventfd_write(b, 1);
  context.loop->RunAfter(absl::Milliseconds(5), [&] { context.loop->Stop(); });
  context.loop->Run();
  CHECK(calls == 1);
}

TEST_CASE("a watch without events is silent, also about a hang-up", "[base][event_loop]") {
  LoopContext context;
  auto [mine, theirs] = ValueOf(SocketPair());
  int calls = 0;
  const int fd = mine.get();
  REQUIRE_OK(context.loop->Watch(fd, 0, [&](uint32_t events) {
    ++calls;
    CHECK((events & EPOLLHUP) != 0);
    context.loop->Stop();
  }));
  theirs.Reset();
  int calls_while_silent = -1;
  context.loop->RunAfter(absl::Milliseconds(5), [&, fd] {
    calls_while_silent = calls;
    context.loop->Rearm(fd, EPOLLIN);
  });
  context.loop->Run();
  CHECK(calls_while_silent == 0);
  CHECK(calls == 1);
}

TEST_CASE("what can't be watched is refused", "[base][event_loop]") {
  LoopContext context;
  CHECK_FALSE(context.loop->Watch(987654, EPOLLIN, [](uint32_t) {}).ok());
}

TEST_CASE("timers run when they are due, in order, and not when cancelled", "[base][event_loop]") {
  LoopContext context;
  EventLoop& loop = *context.loop;
  std::vector<int> order;
  loop.RunAfter(absl::Milliseconds(20), [&] {
    order.push_back(3);
    loop.Stop();
  });
  loop.RunAfter(absl::Milliseconds(10), [&] { order.push_back(2); });
  const EventLoop::TimerId dropped =
      loop.RunAfter(absl::Milliseconds(5), [&] { order.push_back(9); });
  loop.RunAfter(absl::ZeroDuration(), [&] { order.push_back(1); });
  CHECK(dropped != 0);
  loop.CancelTimer(dropped);
  loop.CancelTimer(dropped);
  loop.CancelTimer(0);
  const absl::Time start = absl::Now();
  loop.Run();
  CHECK(absl::Now() - start >= absl::Milliseconds(19));
  CHECK(order == std::vector<int>{1, 2, 3});
}

TEST_CASE("a timer may cancel another that is due at the same time", "[base][event_loop]") {
  LoopContext context;
  EventLoop& loop = *context.loop;
  bool second_ran = false;
  EventLoop::TimerId second = 0;
  loop.RunAfter(absl::ZeroDuration(), [&] { loop.CancelTimer(second); });
  second = loop.RunAfter(absl::ZeroDuration(), [&] { second_ran = true; });
  loop.RunAfter(absl::Milliseconds(2), [&] { loop.Stop(); });
  loop.Run();
  CHECK_FALSE(second_ran);
}

TEST_CASE("a timer without end does not keep others from running", "[base][event_loop]") {
  LoopContext context;
  bool ran = false;
  context.loop->RunAfter(absl::InfiniteDuration(), [&ran] { ran = true; });
  context.loop->RunAfter(absl::Milliseconds(1), [&] { context.loop->Stop(); });
  context.loop->Run();
  CHECK_FALSE(ran);
}

TEST_CASE("several threads may stop a loop at once, one of them its own", "[base][event_loop]") {
  for (int round = 0; round < 50; ++round) {
    const auto loop = ValueOf(EventLoop::Create("test"));
    loop->Start();
    loop->Post([&] { loop->Stop(); });
    std::thread one([&] { loop->Stop(); });
    std::thread other([&] { loop->Stop(); });
    one.join();
    other.join();
  }
}

TEST_CASE("what a loop never ran is answered at its end, and may post again",
          "[base][event_loop]") {
  std::vector<absl::StatusCode> answers;
  auto loop = ValueOf(EventLoop::Create("test"));
  EventLoop* raw = loop.get();
  const auto owing = [&answers, raw] {
    return Reply<Done>([&answers, raw](absl::StatusOr<Done> done) {
      answers.push_back(done.status().code());
      raw->Post([] {});
      raw->CancelTimer(1);
    });
  };
  UniqueFd event(eventfd(0, EFD_CLOEXEC));
  loop->Post([reply = owing()]() mutable { reply(Done{}); });
  loop->RunAfter(absl::Hours(1), [reply = owing()]() mutable { reply(Done{}); });
  REQUIRE_OK(loop->Watch(event.get(), EPOLLIN,
                         [reply = std::make_shared<Reply<Done>>(owing())](uint32_t) {}));
  loop.reset();
  CHECK(answers == std::vector<absl::StatusCode>(3, absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace ember
