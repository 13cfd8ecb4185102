#include "daemon/shared_work.h"

#include "base/awaited.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "tests/support/catch.h"
#include "tests/support/gate.h"
#include "tests/support/status_matchers.h"

namespace ember::daemon {
namespace {

using testing::Gate;
using testing::ValueOf;

images::ImageRecord Image(std::string name) {
  images::ImageRecord image;
  image.name = std::move(name);
  return image;
}

// Work that waits at a gate, and those who ask for it.
class WorkContext {
 public:
  ~WorkContext() {
    sequence_.Post([this] { work_.CancelAll(); });
    worker_.Shutdown();
    sequence_.Shutdown();
  }
  Awaited<images::ImageRecord> Join(const std::string& key, images::ProgressSink sink = {},
                                    Cancellation cancellation = {}) {
    Awaited<images::ImageRecord> answer;
    SharedWork::Guest guest{std::move(sink), std::move(cancellation), answer.reply()};
    sequence_.Post([this, key, guest = std::move(guest)]() mutable {
      work_.Join(key, Work(), std::move(guest));
    });
    return answer;
  }
  static absl::StatusOr<images::ImageRecord> Answer(Awaited<images::ImageRecord>& answer) {
    return answer.Wait(Cancellation::After(absl::Seconds(30)), "an answer");
  }
  // Everything that was posted before has run.
  void Settle() {
    Gate passed;
    sequence_.Post([&passed] { passed.Open(); });
    REQUIRE(passed.WaitOpen());
  }

  std::atomic<int> runs{0};
  Gate started;  // the first run has told of its progress
  Gate go_on;
  Gate cancelled;

 private:
  SharedWork::Work Work() {
    return [this](const images::ProgressSink& sink,
                  const Cancellation& cancellation) -> absl::StatusOr<images::ImageRecord> {
      ++runs;
      sink({"downloading", "it", 1, 2});
      started.Open();
      while (!go_on.IsOpen()) {
        if (cancellation.token.stop_requested()) {
          cancelled.Open();
          return Cancelled("the work: cancelled");
        }
        RETURN_IF_ERROR(Cancellation().Pause(absl::Milliseconds(1), "the gate"));
      }
      sink({"writing", "it"});
      return Image("made");
    };
  }

  Sequence worker_{"worker"};
  Sequence sequence_{"shared"};
  SharedWork work_{sequence_, [this](Sequence::Task task) { worker_.Post(std::move(task)); }};
};

TEST_CASE("two who ask for the same at once get it done once, with its progress",
          "[daemon][shared]") {
  WorkContext context;
  std::atomic<int> first_steps{0}, second_steps{0};
  auto first = context.Join("alpine", [&](const images::Progress&) { ++first_steps; });
  REQUIRE(context.started.WaitOpen());
  context.Settle();
  auto second = context.Join("alpine", [&](const images::Progress&) { ++second_steps; });
  context.Settle();
  CHECK(second_steps == 1);  // the latest step is told to who comes late
  context.go_on.Open();
  CHECK(ValueOf(WorkContext::Answer(first)).name == "made");
  CHECK(ValueOf(WorkContext::Answer(second)).name == "made");
  CHECK(context.runs == 1);
  CHECK(first_steps == 2);
  CHECK(second_steps == 2);
}

TEST_CASE("what differs, or is over, is done by itself", "[daemon][shared]") {
  WorkContext context;
  context.go_on.Open();
  auto one = context.Join("alpine");
  auto other = context.Join("debian");
  REQUIRE_OK(WorkContext::Answer(one));
  REQUIRE_OK(WorkContext::Answer(other));
  auto again = context.Join("alpine");
  REQUIRE_OK(WorkContext::Answer(again));
  CHECK(context.runs == 3);
}

TEST_CASE("who cancels leaves the others with the work", "[daemon][shared]") {
  WorkContext context;
  std::stop_source stop;
  auto leaver = context.Join("alpine", {}, {stop.get_token(), {}});
  auto stayer = context.Join("alpine");
  REQUIRE(context.started.WaitOpen());
  stop.request_stop();
  CHECK(absl::IsCancelled(WorkContext::Answer(leaver).status()));
  context.go_on.Open();
  REQUIRE_OK(WorkContext::Answer(stayer));
  CHECK_FALSE(context.cancelled.IsOpen());
}

TEST_CASE("the work is cancelled when the last one has left", "[daemon][shared]") {
  WorkContext context;
  std::stop_source stop;
  auto only = context.Join("alpine", {}, {stop.get_token(), {}});
  REQUIRE(context.started.WaitOpen());
  stop.request_stop();
  CHECK(absl::IsCancelled(WorkContext::Answer(only).status()));
  CHECK(context.cancelled.WaitOpen());
}

TEST_CASE("one whose time is over leaves by itself", "[daemon][shared]") {
  WorkContext context;
  auto hasty = context.Join("alpine", {}, Cancellation::After(absl::Milliseconds(20)));
  CHECK(absl::IsDeadlineExceeded(WorkContext::Answer(hasty).status()));
  CHECK(context.cancelled.WaitOpen());
}

TEST_CASE("one who has cancelled before it came is answered", "[daemon][shared]") {
  WorkContext context;
  std::stop_source stop;
  stop.request_stop();
  auto late = context.Join("alpine", {}, {stop.get_token(), {}});
  CHECK(absl::IsCancelled(WorkContext::Answer(late).status()));
}

}  // namespace
}  // namespace ember::daemon
