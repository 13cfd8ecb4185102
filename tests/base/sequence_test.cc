#include "base/sequence.h"

#include <pthread.h>

#include <array>
#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/reply.h"
#include "tests/support/catch.h"
#include "tests/support/gate.h"

namespace ember {
namespace {

using testing::Gate;

// Waits until everything that was posted so far has run.
void Drain(Sequence& sequence) {
  Gate done;
  REQUIRE(sequence.Post([&done] { done.Open(); }));
  REQUIRE(done.WaitOpen());
}

TEST_CASE("tasks run one at a time in the order they were posted", "[base][sequence]") {
  std::vector<int> order;
  Sequence sequence("test");
  for (int i = 0; i < 100; ++i) sequence.Post([&order, i] { order.push_back(i); });
  Drain(sequence);
  REQUIRE(order.size() == 100);
  for (int i = 0; i < 100; ++i) CHECK(order[i] == i);
}

TEST_CASE("tasks of many threads all run, each thread's in its order", "[base][sequence]") {
  std::array<int, 4> next = {};  // touched by the sequence only
  bool in_order = true;
  Sequence sequence("test");
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 1000; ++i) {
        sequence.Post([&next, &in_order, thread, i] { in_order &= next[thread]++ == i; });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Drain(sequence);
  CHECK(in_order);
  CHECK(next == std::array<int, 4>{1000, 1000, 1000, 1000});
}

TEST_CASE("a task runs on the sequence's own named thread", "[base][sequence]") {
  std::array<char, 16> name = {};
  bool current = false;
  Sequence sequence("vm/a-name-that-is-too-long");
  CHECK_FALSE(sequence.IsCurrent());
  sequence.Post([&] {
    sequence.AssertCurrent();
    current = sequence.IsCurrent();
    pthread_getname_np(pthread_self(), name.data(), name.size());
  });
  Drain(sequence);
  CHECK(current);
  CHECK(std::string(name.data()) == "vm/a-name-that-");
}

TEST_CASE("a sequence knows that it is not another one", "[base][sequence]") {
  Sequence one("one");
  Sequence other("other");
  bool mistaken = true;
  one.Post([&] { mistaken = other.IsCurrent(); });
  Drain(one);
  CHECK_FALSE(mistaken);
}

TEST_CASE("a delayed task runs after its delay, sooner ones first", "[base][sequence]") {
  std::vector<int> order;
  Gate done;
  Sequence sequence("test");
  const absl::Time start = absl::Now();
  sequence.PostAfter(absl::Milliseconds(30), [&] {
    order.push_back(2);
    done.Open();
  });
  sequence.PostAfter(absl::Milliseconds(5), [&] { order.push_back(1); });
  sequence.Post([&] { order.push_back(0); });
  REQUIRE(done.WaitOpen());
  CHECK(absl::Now() - start >= absl::Milliseconds(29));
  sequence.Shutdown();
  CHECK(order == std::vector<int>{0, 1, 2});
}

TEST_CASE("shutting down runs what is queued and drops what is delayed", "[base][sequence]") {
  int ran = 0;
  std::vector<absl::Status> answers;
  Sequence sequence("test");
  Gate entered, leave;
  sequence.Post([&] {
    entered.Open();
    leave.WaitOpen();
  });
  for (int i = 0; i < 3; ++i) sequence.Post([&ran] { ++ran; });
  Reply<Done> reply([&answers](absl::StatusOr<Done> done) { answers.push_back(done.status()); });
  sequence.PostAfter(absl::Hours(1), [reply = std::move(reply)]() mutable { reply(Done{}); });
  REQUIRE(entered.WaitOpen());
  leave.Open();
  sequence.Shutdown();
  sequence.Shutdown();
  CHECK(ran == 3);
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].code() == absl::StatusCode::kCancelled);
}

TEST_CASE("a task posted after the end answers cancelled", "[base][sequence]") {
  Sequence sequence("test");
  sequence.Shutdown();
  absl::Status answer;
  Reply<Done> reply([&answer](absl::StatusOr<Done> done) { answer = done.status(); });
  CHECK_FALSE(sequence.Post([reply = std::move(reply)]() mutable { reply(Done{}); }));
  CHECK(answer.code() == absl::StatusCode::kCancelled);
  CHECK_FALSE(sequence.PostAfter(absl::ZeroDuration(), [] {}));
}

TEST_CASE("a task may post to its own sequence, also while it shuts down", "[base][sequence]") {
  bool second = false;
  bool accepted = true;
  Gate entered, leave;
  Sequence sequence("test");
  sequence.Post([&] { sequence.Post([&second] { second = true; }); });
  Drain(sequence);
  Drain(sequence);
  CHECK(second);
  std::thread closer;
  sequence.Post([&] {
    entered.Open();
    leave.WaitOpen();
    accepted = sequence.Post([] {});
  });
  REQUIRE(entered.WaitOpen());
  closer = std::thread([&] { sequence.Shutdown(); });
  // Shutdown has begun when a post is refused.
  while (sequence.Post([] {})) std::this_thread::yield();
  leave.Open();
  closer.join();
  CHECK_FALSE(accepted);
}

TEST_CASE("a delay without end never runs out", "[base][sequence]") {
  bool ran = false;
  Sequence sequence("test");
  sequence.PostAfter(absl::InfiniteDuration(), [&ran] { ran = true; });
  Drain(sequence);
  sequence.Shutdown();
  CHECK_FALSE(ran);
}

TEST_CASE("a borrowed thread is given back when there is nothing to do", "[base][sequence]") {
  std::vector<std::unique_ptr<Sequence>> sequences;
  std::set<std::thread::id> threads;
  for (int i = 0; i < 100; ++i) {
    sequences.push_back(std::make_unique<Sequence>(std::to_string(i), SequenceThread::kBorrowed));
    sequences.back()->Post([&threads] { threads.insert(std::this_thread::get_id()); });
    // The thread is given back behind the task: the next sequence may still need another one.
    Drain(*sequences.back());
  }
  CHECK(threads.size() < 50);
}

TEST_CASE("a sequence with a borrowed thread keeps the order over many idle times",
          "[base][sequence]") {
  std::vector<int> order;
  Sequence sequence("test", SequenceThread::kBorrowed);
  for (int i = 0; i < 500; ++i) {
    sequence.Post([&order, i] { order.push_back(i); });
    if (i % 3 == 0) Drain(sequence);
  }
  Gate later;
  sequence.PostAfter(absl::Milliseconds(1), [&later] { later.Open(); });
  REQUIRE(later.WaitOpen());
  sequence.Shutdown();
  REQUIRE(order.size() == 500);
  for (int i = 0; i < 500; ++i) CHECK(order[static_cast<size_t>(i)] == i);
}

TEST_CASE("a sequence with a borrowed thread can end at any time", "[base][sequence]") {
  for (int round = 0; round < 500; ++round) {
    std::atomic<int> ran{0};
    {
      Sequence sequence("test", SequenceThread::kBorrowed);
      for (int i = 0; i < round % 4; ++i) sequence.Post([&ran] { ++ran; });
    }
    CHECK(ran == round % 4);
  }
}

}  // namespace
}  // namespace ember
