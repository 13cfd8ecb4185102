#include "cli/forward_spec.h"

#include "base/status.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::cli {
namespace {

using testing::ValueOf;

SocketSpec Port(uint16_t port) { return {.port = port}; }
SocketSpec Path(std::string path) { return {.path = std::move(path)}; }

TEST_CASE("what listens comes first, where it leads second", "[cli][forward_spec]") {
  const std::pair<const char*, ForwardSpec> cases[] = {
      {"8080:80", {Port(8080), Port(80)}},
      {"8080", {Port(8080), Port(8080)}},
      {"0:80", {Port(0), Port(80)}},
      {"65535:1", {Port(65535), Port(1)}},
      {"8080:/run/app.sock", {Port(8080), Path("/run/app.sock")}},
      {"/tmp/app.sock:80", {Path("/tmp/app.sock"), Port(80)}},
      {"/tmp/a b:/run/b", {Path("/tmp/a b"), Path("/run/b")}}};
  for (const auto& [text, spec] : cases) {
    INFO(text);
    CHECK(ValueOf(ParseForwardSpec(text, ZeroPort::kAccepted)) == spec);
  }
}

TEST_CASE("what is no forward is refused with what is one", "[cli][forward_spec]") {
  for (const char* text :
       {"", ":", "80:", ":80", "80:0", "0", "65536:80", "-1:80", "80:80:80", "web", "8080:web",
        "/tmp/a", "/tmp/a:b:80", "80 :80", "+80:80", "0x50:80", "relative:80"}) {
    INFO(text);
    const absl::Status status = ParseForwardSpec(text, ZeroPort::kAccepted).status();
    CHECK(absl::IsInvalidArgument(status));
    CHECK(HintOf(status).has_value());
  }
}

TEST_CASE("any free port is accepted only where one is looked for", "[cli][forward_spec]") {
  CHECK(absl::IsInvalidArgument(ParseForwardSpec("0:80", ZeroPort::kRefused).status()));
  CHECK(absl::IsInvalidArgument(ParseSocketSpec("0", ZeroPort::kRefused).status()));
  CHECK(ValueOf(ParseSocketSpec("22", ZeroPort::kRefused)) == Port(22));
}

}  // namespace
}  // namespace ember::cli
