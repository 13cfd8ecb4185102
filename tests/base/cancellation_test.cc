#include "base/cancellation.h"

#include <thread>

#include "base/socket.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember {
namespace {

using testing::ValueOf;

TEST_CASE("a deadline counts down to zero and not below", "[base][cancellation]") {
  const Deadline later = Deadline::After(absl::Hours(1));
  CHECK(later.Remaining() > absl::Minutes(59));
  CHECK(later.Remaining() <= absl::Hours(1));
  CHECK_FALSE(later.expired());
  const Deadline past = Deadline::After(-absl::Seconds(1));
  CHECK(past.expired());
  CHECK(past.Remaining() == absl::ZeroDuration());
  CHECK(past.PollTimeoutMs() == 0);
}

TEST_CASE("a deadline without end never expires", "[base][cancellation]") {
  for (const Deadline deadline :
       {Deadline(), Deadline::Infinite(), Deadline::After(absl::InfiniteDuration())}) {
    CHECK(deadline.infinite());
    CHECK_FALSE(deadline.expired());
    CHECK(deadline.Remaining() == absl::InfiniteDuration());
    CHECK(deadline.PollTimeoutMs() == -1);
  }
}

TEST_CASE("spans at the ends of time are deadlines too", "[base][cancellation]") {
  CHECK(Deadline::After(-absl::InfiniteDuration()).expired());
  CHECK(Deadline::After(-absl::InfiniteDuration()).Remaining() == absl::ZeroDuration());
  const Deadline far = Deadline::After(absl::Hours(24 * 365 * 290));
  CHECK_FALSE(far.expired());
  CHECK(far.PollTimeoutMs() > 0);
}

TEST_CASE("a time-out for poll is rounded up", "[base][cancellation]") {
  CHECK(Deadline::After(absl::Microseconds(800)).PollTimeoutMs() == 1);
}

TEST_CASE("the sooner of two deadlines counts", "[base][cancellation]") {
  const Deadline soon = Deadline::After(absl::Seconds(1));
  const Deadline late = Deadline::After(absl::Hours(1));
  for (const Deadline sooner :
       {soon.Sooner(late), late.Sooner(soon), soon.Sooner({}), Deadline().Sooner(soon)}) {
    CHECK(sooner.Remaining() <= absl::Seconds(1));
  }
  CHECK(Cancellation::After(absl::Seconds(1)).Within(absl::Hours(1)).deadline.Remaining() <=
        absl::Seconds(1));
}

TEST_CASE("a check says what was ended and why", "[base][cancellation]") {
  std::stop_source source;
  CHECK(Cancellation{}.Check("boot").ok());
  Cancellation cancellation{source.get_token(), Deadline::After(-absl::Seconds(1))};
  CHECK(cancellation.done());
  CHECK(cancellation.Check("boot") == DeadlineExceeded("boot: timed out"));
  source.request_stop();
  CHECK(cancellation.Check("boot") == Cancelled("boot: cancelled"));
}

TEST_CASE("a wait ends when the descriptor is ready or hung up", "[base][cancellation]") {
  auto [a, b] = ValueOf(SocketPair());
  const Cancellation limit = Cancellation::After(absl::Seconds(10));
  CHECK(limit.WaitWritable(a.get(), "write").ok());
  absl::Status written;
  std::thread writer([&, fd = b.get()] { written = WriteFully(fd, "x", {}); });
  CHECK(limit.WaitReadable(a.get(), "read").ok());
  writer.join();
  REQUIRE_OK(written);
  char byte;
  REQUIRE_OK(ReadFully(a.get(), &byte, 1, limit));
  b.Reset();
  CHECK(limit.WaitReadable(a.get(), "read").ok());
}

TEST_CASE("a wait ends at the deadline", "[base][cancellation]") {
  auto [a, b] = ValueOf(SocketPair());
  CHECK(Cancellation::After(absl::Milliseconds(5)).WaitReadable(a.get(), "agent") ==
        DeadlineExceeded("agent: timed out"));
}

TEST_CASE("a wait and a pause end when somebody asks for it", "[base][cancellation]") {
  auto [a, b] = ValueOf(SocketPair());
  std::stop_source source;
  const Cancellation cancellation{source.get_token(), Deadline::After(absl::Seconds(60))};
  const Deadline limit = Deadline::After(absl::Seconds(10));
  std::thread other([&] { source.request_stop(); });
  CHECK(cancellation.WaitReadable(a.get(), "agent") == Cancelled("agent: cancelled"));
  CHECK(cancellation.Pause(absl::Seconds(60), "back-off") == Cancelled("back-off: cancelled"));
  other.join();
  CHECK_FALSE(limit.expired());
}

TEST_CASE("what is ready already wins over a deadline that has passed", "[base][cancellation]") {
  auto [a, b] = ValueOf(SocketPair());
  CHECK(Cancellation::After(-absl::Seconds(1)).WaitWritable(a.get(), "write").ok());
}

TEST_CASE("a pause lasts as long as asked or as allowed", "[base][cancellation]") {
  const Deadline before = Deadline::After(absl::Milliseconds(5));
  CHECK(Cancellation{}.Pause(absl::Milliseconds(6), "pause").ok());
  CHECK(before.expired());
  CHECK(Cancellation::After(absl::Milliseconds(5)).Pause(absl::Seconds(60), "pause") ==
        DeadlineExceeded("pause: timed out"));
}

}  // namespace
}  // namespace ember
