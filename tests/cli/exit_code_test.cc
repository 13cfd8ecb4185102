#include "cli/exit_code.h"

#include "base/status.h"
#include "tests/support/catch.h"

namespace ember::cli {
namespace {

TEST_CASE("each kind of failure has its exit code", "[cli][exit_code]") {
  CHECK(ExitCodeOf(absl::OkStatus()) == 0);
  CHECK(ExitCodeOf(Internal("x")) == 1);
  CHECK(ExitCodeOf(Cancelled("x")) == 1);
  CHECK(ExitCodeOf(Unavailable("x")) == 1);
  CHECK(ExitCodeOf(InvalidArgument("x")) == 2);
  CHECK(ExitCodeOf(WithReason(Unavailable("x"), kReasonUnreachable)) == 3);
  CHECK(ExitCodeOf(NotFound("x")) == 4);
  CHECK(ExitCodeOf(AlreadyExists("x")) == 5);
  CHECK(ExitCodeOf(FailedPrecondition("x")) == 5);
  CHECK(ExitCodeOf(Aborted("x")) == 5);
  CHECK(ExitCodeOf(ResourceExhausted("x")) == 6);
  CHECK(ExitCodeOf(DeadlineExceeded("x")) == 7);
  CHECK(ExitCodeOf(PermissionDenied("x")) == 8);
  CHECK(ExitCodeOf(WithReason(Unavailable("x"), kReasonVmWentAway)) == 9);
  CHECK(ExitCodeOf(WithReason(Cancelled("x"), kReasonInterrupted)) == 130);
}

TEST_CASE("exec's own failures can't be taken for its command's", "[cli][exit_code]") {
  CHECK(ExecExitCodeOf(NotFound("no such vm")) == 125);
  CHECK(ExecExitCodeOf(InvalidArgument("x")) == 125);
  CHECK(ExecExitCodeOf(WithReason(Unavailable("x"), kReasonVmWentAway)) == 125);
  CHECK(ExecExitCodeOf(WithReason(PermissionDenied("x"), kReasonCannotExecute)) == 126);
  CHECK(ExecExitCodeOf(WithReason(NotFound("x"), kReasonExecNotFound)) == 127);
  CHECK(ExecExitCodeOf(WithReason(Cancelled("x"), kReasonInterrupted)) == 130);
}

}  // namespace
}  // namespace ember::cli
