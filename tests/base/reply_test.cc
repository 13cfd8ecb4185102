#include "base/reply.h"

#include <optional>
#include <thread>

#include "base/awaited.h"
#include "base/status.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember {
namespace {

using testing::ValueOf;

// What one reply answered, and how often.
struct Answers {
  Reply<int> Owe() {
    return Reply<int>([this](absl::StatusOr<int> result) {
      ++count;
      last = std::move(result);
    });
  }
  int count = 0;
  absl::StatusOr<int> last = absl::UnknownError("none");
};

TEST_CASE("a reply answers once with what it is given", "[base][reply]") {
  Answers answers;
  {
    Reply<int> reply = answers.Owe();
    CHECK(reply.pending());
    reply(7);
    CHECK_FALSE(reply.pending());
  }
  CHECK(answers.count == 1);
  CHECK(ValueOf(answers.last) == 7);
}

TEST_CASE("a reply that nobody answers answers cancelled by itself", "[base][reply]") {
  Answers answers;
  { const Reply<int> reply = answers.Owe(); }
  CHECK(answers.count == 1);
  CHECK(answers.last.status().code() == absl::StatusCode::kCancelled);
}

TEST_CASE("the duty to answer moves with the reply", "[base][reply]") {
  Answers answers;
  std::optional<Reply<int>> holder;
  {
    Reply<int> reply = answers.Owe();
    holder.emplace(std::move(reply));
  }
  CHECK(answers.count == 0);
  (*holder)(NotFound("gone"));
  CHECK(answers.count == 1);
  CHECK(answers.last.status().code() == absl::StatusCode::kNotFound);
}

TEST_CASE("a reply that is replaced answers cancelled first", "[base][reply]") {
  Answers first, second;
  Reply<int> reply = first.Owe();
  reply = second.Owe();
  CHECK(first.count == 1);
  CHECK(second.count == 0);
  reply(1);
  CHECK(second.count == 1);
}

TEST_CASE("an answer of another thread is waited for", "[base][reply]") {
  Awaited<std::string> answer;
  std::thread other([reply = answer.reply()]() mutable { reply(std::string("done")); });
  CHECK(ValueOf(answer.Wait(Cancellation::After(absl::Seconds(10)), "answer")) == "done");
  other.join();
}

TEST_CASE("an answer that comes too late is dropped", "[base][reply]") {
  Reply<int> late;
  {
    Awaited<int> answer;
    late = answer.reply();
    CHECK(answer.Wait(Cancellation::After(absl::Milliseconds(1)), "answer").status() ==
          DeadlineExceeded("answer: timed out"));
  }
  late(1);
  CHECK_FALSE(late.pending());
}

TEST_CASE("an answer that is never given ends the wait", "[base][reply]") {
  Awaited<int> answer;
  { const Reply<int> reply = answer.reply(); }
  CHECK(answer.Wait({}, "answer").status().code() == absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace ember
