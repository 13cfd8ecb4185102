#include "cli/pending_input.h"

#include <csignal>

#include "ember/v1/vm.pb.h"
#include "tests/support/catch.h"

namespace ember::cli {
namespace {

v1::ExecRequest Next(PendingInput& pending) {
  v1::ExecRequest request;
  REQUIRE(pending.TakeNext(request));
  return request;
}

bool IsEmpty(PendingInput& pending) {
  v1::ExecRequest request;
  return !pending.TakeNext(request);
}

TEST_CASE("input is sent as far as the guest has room for it", "[cli][exec]") {
  PendingInput pending(PendingInput::Stdin::kForwarded);
  CHECK_FALSE(pending.wants_more());
  pending.AddCredit(3);
  CHECK(pending.wants_more());
  pending.Add("abcde");
  CHECK_FALSE(pending.wants_more());
  CHECK(Next(pending).stdin_data() == "abc");
  CHECK(IsEmpty(pending));
  pending.AddCredit(10);
  CHECK(Next(pending).stdin_data() == "de");
  CHECK(pending.wants_more());
}

TEST_CASE("the end of the input is told once, behind all of it", "[cli][exec]") {
  PendingInput pending(PendingInput::Stdin::kForwarded);
  pending.AddCredit(1);
  pending.Add("");
  CHECK_FALSE(pending.wants_more());
  CHECK(Next(pending).stdin_end());
  CHECK(IsEmpty(pending));
}

TEST_CASE("signals and sizes go before input", "[cli][exec]") {
  PendingInput pending(PendingInput::Stdin::kForwarded);
  pending.AddCredit(10);
  pending.Add("abc");
  pending.SetResized();
  pending.AddSignal(SIGTERM);
  pending.AddSignal(SIGHUP);
  CHECK(pending.has_signals());
  CHECK(Next(pending).signal() == SIGTERM);
  CHECK(Next(pending).signal() == SIGHUP);
  CHECK_FALSE(pending.has_signals());
  CHECK(Next(pending).has_resize());
  CHECK(Next(pending).stdin_data() == "abc");
}

TEST_CASE("a process without input is told that there is none, unless it takes none",
          "[cli][exec]") {
  PendingInput none(PendingInput::Stdin::kNone);
  none.AddCredit(10);
  CHECK_FALSE(none.wants_more());
  CHECK(Next(none).stdin_end());
  PendingInput closed(PendingInput::Stdin::kForwarded);
  closed.Close();
  closed.AddCredit(10);
  CHECK(IsEmpty(closed));
  CHECK_FALSE(closed.wants_more());
}

}  // namespace
}  // namespace ember::cli
