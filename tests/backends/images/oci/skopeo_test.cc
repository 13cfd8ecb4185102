#include "backends/images/oci/skopeo.h"

#include "base/status.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/text.h"

namespace ember::images {
namespace {

using absl::StatusCode;
using testing::Contains;
using testing::TextOf;

absl::Status Failure(const std::string& message) {
  const std::string line =
      R"(time="2026-12-01T01:05:53Z" level=fatal msg="Error parsing image name \"docker://x\": )" +
      message + "\"\n";
  return SkopeoFailure(testing::ValueOf(ParseImageReference("ghcr.io/team/tool:2")), line);
}

TEST_CASE("what skopeo says becomes an error that says what to do", "[images][skopeo]") {
  const absl::Status missing =
      Failure("reading manifest x in h/b: manifest unknown: manifest unknown");
  CHECK(missing.code() == StatusCode::kNotFound);
  CHECK(Contains(TextOf(missing), "image 'ghcr.io/team/tool:2' does not exist"));
  CHECK(Contains(*HintOf(missing), "skopeo list-tags docker://ghcr.io/team/tool"));

  const absl::Status denied = Failure("unauthorized: authentication required");
  CHECK(denied.code() == StatusCode::kPermissionDenied);
  CHECK(Contains(*HintOf(denied), "skopeo login ghcr.io"));

  const absl::Status http = Failure("http: server gave HTTP response to HTTPS client");
  CHECK(http.code() == StatusCode::kFailedPrecondition);
  CHECK(Contains(*HintOf(http), "--plain-http"));

  CHECK(Failure("dial tcp: lookup h on 1.1.1.1:53: no such host").code() ==
        StatusCode::kUnavailable);
  CHECK(Failure("connect: connection refused").code() == StatusCode::kUnavailable);
  CHECK(Failure("connect: no route to host").code() == StatusCode::kUnavailable);
  CHECK(Failure("write /x: no space left on device").code() == StatusCode::kResourceExhausted);
  CHECK(Failure("something new").code() == StatusCode::kUnavailable);
  CHECK(Contains(TextOf(Failure("something new")), "something new"));
}

TEST_CASE("only what may pass is worth another try", "[images][skopeo]") {
  CHECK(IsWorthAnotherTry(Failure("toomanyrequests: Rate exceeded")));
  CHECK(IsWorthAnotherTry(Failure("unexpected EOF")));
  CHECK(IsWorthAnotherTry(Failure("received unexpected HTTP status: 502 Bad Gateway")));
  CHECK_FALSE(IsWorthAnotherTry(Failure("manifest unknown")));
  CHECK_FALSE(IsWorthAnotherTry(Failure("unauthorized")));
  CHECK_FALSE(IsWorthAnotherTry(Failure("no such host")));
  CHECK_FALSE(IsWorthAnotherTry(absl::OkStatus()));
}

TEST_CASE("an auth file that is not there is told before anything is asked", "[images][skopeo]") {
  const auto skopeo = Skopeo::Find({"/nonexistent/auth.json", false, "/tmp"});
  // Without skopeo that is said first.
  CHECK((absl::IsNotFound(skopeo.status()) || absl::IsFailedPrecondition(skopeo.status())));
}

}  // namespace
}  // namespace ember::images
