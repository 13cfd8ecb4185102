#include "base/status.h"

#include <cerrno>
#include <string>

#include "base/status_macros.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember {
namespace {

TEST_CASE("a failed system call tells what to do next", "[base][status]") {
  struct Case {
    int error;
    absl::StatusCode code;
  };
  const Case cases[] = {
      {ENOENT, absl::StatusCode::kNotFound},
      {EEXIST, absl::StatusCode::kAlreadyExists},
      {EACCES, absl::StatusCode::kPermissionDenied},
      {EPERM, absl::StatusCode::kPermissionDenied},
      {ENOSPC, absl::StatusCode::kResourceExhausted},
      {EDQUOT, absl::StatusCode::kResourceExhausted},
      {EMFILE, absl::StatusCode::kResourceExhausted},
      {ENOMEM, absl::StatusCode::kResourceExhausted},
      {ECONNREFUSED, absl::StatusCode::kUnavailable},
      {EPIPE, absl::StatusCode::kUnavailable},
      {ETIMEDOUT, absl::StatusCode::kDeadlineExceeded},
      {EIO, absl::StatusCode::kInternal},
  };
  for (const Case& known : cases) {
    INFO(known.error);
    CHECK(ErrnoStatus(known.error, "open").code() == known.code);
  }
  CHECK(Message(ErrnoStatus(ENOENT, "open /x")) == "open /x: No such file or directory");
}

TEST_CASE("hint, reason and metadata survive an annotation", "[base][status]") {
  absl::Status status = NotFound("image '{}' not found", "debian");
  status = WithHint(std::move(status), "ember image build debian");
  status = WithReason(std::move(status), "IMAGE_NOT_FOUND");
  status = WithMetadata(std::move(status), "image", "debian");
  status = WithMetadata(std::move(status), "empty", "");
  const absl::Status annotated = Annotate(status, "vm 'web'");
  CHECK(annotated.code() == absl::StatusCode::kNotFound);
  CHECK(Message(annotated) == "vm 'web': image 'debian' not found");
  CHECK(HintOf(annotated) == "ember image build debian");
  CHECK(ReasonOf(annotated) == "IMAGE_NOT_FOUND");
  CHECK(MetadataOf(annotated) ==
        std::map<std::string, std::string>{{"empty", ""}, {"image", "debian"}});
}

TEST_CASE("a later hint takes the place of the one before", "[base][status]") {
  CHECK(HintOf(WithHint(WithHint(Internal("x"), "a"), "b")) == "b");
}

TEST_CASE("success stays success and carries nothing", "[base][status]") {
  CHECK(Annotate(absl::OkStatus(), "vm 'web'").ok());
  CHECK(WithHint(absl::OkStatus(), "hint").ok());
  CHECK(HintOf(absl::OkStatus()) == std::nullopt);
  CHECK(HintOf(Internal("x")) == std::nullopt);
  CHECK(ReasonOf(Internal("x")) == std::nullopt);
  CHECK(MetadataOf(Internal("x")).empty());
}

absl::StatusOr<int> Half(int number) {
  if (number % 2 != 0) return InvalidArgument("{} is odd", number);
  return number / 2;
}

absl::StatusOr<int> Quarter(int number) {
  ASSIGN_OR_RETURN(const int half, Half(number));
  RETURN_IF_ERROR(Half(half).status());
  return Half(half);
}

TEST_CASE("the macros return the first error and else go on", "[base][status]") {
  CHECK(testing::ValueOf(Quarter(12)) == 3);
  CHECK(Message(Quarter(6).status()) == "3 is odd");
  CHECK(Message(Quarter(5).status()) == "5 is odd");
}

}  // namespace
}  // namespace ember
