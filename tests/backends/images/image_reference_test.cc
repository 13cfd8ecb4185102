#include "backends/images/image_reference.h"

#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/text.h"

namespace ember::images {
namespace {

using testing::Contains;
using testing::TextOf;
using testing::ValueOf;

const std::string kDigest = "sha256:" + std::string(64, 'a');

std::string Full(std::string_view text) { return ValueOf(ParseImageReference(text)).Full(); }
std::string Familiar(std::string_view text) {
  return ValueOf(ParseImageReference(text)).Familiar();
}

TEST_CASE("what is left out of a reference is what docker's users expect", "[images][reference]") {
  CHECK(Full("alpine") == "docker.io/library/alpine:latest");
  CHECK(Full("alpine:3.19") == "docker.io/library/alpine:3.19");
  CHECK(Full("team/tool") == "docker.io/team/tool:latest");
  CHECK(Full("index.docker.io/alpine") == "docker.io/library/alpine:latest");
  CHECK(Full("host:5000/a/b:x") == "host:5000/a/b:x");
  CHECK(Full("localhost/a") == "localhost/a:latest");
  CHECK(Full("ghcr.io/a") == "ghcr.io/a:latest");
  CHECK(Full("[::1]:5000/a") == "[::1]:5000/a:latest");
  CHECK(Full("alpine@" + kDigest) == "docker.io/library/alpine@" + kDigest);
  CHECK(Full("a:1@" + kDigest) == "docker.io/library/a:1@" + kDigest);
}

TEST_CASE("the familiar form leaves out what is understood", "[images][reference]") {
  CHECK(Familiar("docker.io/library/alpine:latest") == "alpine");
  CHECK(Familiar("docker.io/team/tool:latest") == "team/tool");
  CHECK(Familiar("library/alpine:3.19") == "alpine:3.19");
  CHECK(Familiar("ghcr.io/library/a:latest") == "ghcr.io/library/a");
  CHECK(Familiar("alpine:latest@" + kDigest) == "alpine:latest@" + kDigest);
  CHECK(Familiar("docker.io/library/a/b") == "library/a/b");
  // Without its registry this one would be on the registry a.b.
  CHECK(Familiar("docker.io/a.b/c") == "docker.io/a.b/c");
}

TEST_CASE("every name of a local image is a reference of that name", "[images][reference]") {
  for (const std::string name : {"debian", "a", "1", "x.", "dev--2", "a_b-c.d", "z._-"}) {
    CHECK(Familiar(name) == name);
  }
  CHECK(Familiar(std::string(63, 'n')) == std::string(63, 'n'));
}

TEST_CASE("a bad reference is refused with the part that is bad", "[images][reference]") {
  const auto refused = [](std::string_view text, std::string_view part) {
    const absl::Status status = ParseImageReference(text).status();
    INFO(text << ": " << TextOf(status));
    return status.code() == absl::StatusCode::kInvalidArgument && Contains(TextOf(status), part) &&
           HintOf(status).has_value();
  };
  CHECK(refused("", "is empty"));
  CHECK(refused("Alpine", "'Alpine'"));
  CHECK(refused("a//b", "empty name"));
  CHECK(refused("a/", "empty name"));
  CHECK(refused("/a", "empty name"));
  CHECK(refused("a/../b", "starts with neither"));
  CHECK(refused("host:5000/", "empty name"));
  CHECK(refused("host:99999/a", "port"));
  CHECK(refused("host:/a", "port"));
  CHECK(refused("-host.io/a", "no host"));
  CHECK(refused("[::1/a", "brackets"));
  CHECK(refused("a:", "tag"));
  CHECK(refused("a:-x", "tag"));
  CHECK(refused("a:" + std::string(129, 't'), "tag"));
  CHECK(refused("a@sha256:12", "64 hexadecimal"));
  CHECK(refused("a@md5:12", "sha256"));
  CHECK(refused("a b", "may hold only"));
  CHECK(refused(std::string("a\0b", 3), "may hold only"));
  CHECK(refused(std::string(300, 'n'), "more than 255"));
}

}  // namespace
}  // namespace ember::images
