#include <nlohmann/json.hpp>

#include "tests/cli/ember_program.h"
#include "tests/support/catch.h"

namespace ember::testing {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

TEST_CASE("forward sends what was typed and prints where it listens", "[cli][forward]") {
  EmberContext context;
  SECTION("a port") {
    const auto result = context.Run({"forward", "web", "8080:80"});
    CHECK(result.code == 0);
    CHECK(result.out == "127.0.0.1:8080\n");
    CHECK_THAT(result.err, Contains("ember forward remove forward-1"));
    const auto request = context.host().forwards().last_add();
    CHECK(request.vm() == "web");
    CHECK(request.host().tcp().port() == 8080);
    CHECK(request.guest().tcp().port() == 80);
    CHECK_FALSE(request.reverse());
  }
  SECTION("any free port") {
    CHECK(context.Run({"forward", "web", "0:80"}).out == "127.0.0.1:20000\n");
  }
  SECTION("of UDP, at an address") {
    const auto result = context.Run({"forward", "web", "53:5353", "--udp", "--bind", "192.0.2.1"});
    CHECK(result.out == "192.0.2.1:53/udp\n");
    CHECK(context.host().forwards().last_add().guest().udp().port() == 5353);
  }
  SECTION("paths") {
    CHECK(context.Run({"forward", "web", "/tmp/a:/run/b"}).out == "/tmp/a\n");
    CHECK(context.host().forwards().last_add().guest().unix_path() == "/run/b");
  }
  SECTION("in reverse") {
    const auto result = context.Run({"forward", "web", "-R", "9000:/tmp/a"});
    CHECK(result.out == "9000\n");
    const auto request = context.host().forwards().last_add();
    CHECK(request.reverse());
    CHECK(request.guest().tcp().port() == 9000);
    CHECK(request.host().unix_path() == "/tmp/a");
  }
}

TEST_CASE("what makes no sense is a usage error", "[cli][forward]") {
  EmberContext context(EmberContext::Daemon::kAbsent);
  const std::vector<std::string> cases[] = {{"forward"},
                                            {"forward", "web"},
                                            {"forward", "web", "80:80", "-R", "80:80"},
                                            {"forward", "web", "80:web"},
                                            {"forward", "web", "-R", "0:80"},
                                            {"forward", "web", "/tmp/a:53", "--udp"},
                                            {"forward", "web", "/tmp/a:53", "--bind", "::1"},
                                            {"forward", "web", "-R", "80:80", "--udp"},
                                            {"forward", "remove"},
                                            {"forward", "remove", "id", "--all", "web"},
                                            {"proxy", "web"},
                                            {"proxy", "web", "0"}};
  for (const auto& words : cases) {
    INFO(words.back());
    CHECK(context.Run(words).code == 2);
  }
}

TEST_CASE("a VM may have a verb's name", "[cli][forward]") {
  EmberContext context;
  CHECK(context.Run({"forward", "add", "list", "80:80"}).code == 0);
  CHECK(context.host().forwards().last_add().vm() == "list");
  CHECK(context.Run({"forward", "-R", "80:80", "remove"}).code == 0);
  CHECK(context.host().forwards().last_add().vm() == "remove");
}

TEST_CASE("forwards are listed and removed", "[cli][forward]") {
  EmberContext context;
  context.Run({"forward", "web", "8080:80"});
  context.Run({"forward", "db", "-R", "9000:5432"});
  const auto table = context.Run({"forward", "list"});
  CHECK(table.out ==
        "ID         VM   LISTENS              LEADS TO             OPEN  STATUS\n"
        "forward-1  web  host 127.0.0.1:8080  vm 80                0     serving\n"
        "forward-2  db   vm 9000              host 127.0.0.1:5432  0     the guest does not listen "
        "yet\n");
  const json listed = json::parse(context.Run({"forward", "list", "db", "--format", "json"}).out);
  REQUIRE(listed.size() == 1);
  CHECK(listed[0]["host"]["port"] == 5432);
  CHECK(listed[0]["reverse"] == true);
  CHECK(listed[0]["serving"] == false);

  CHECK(context.Run({"forward", "remove", "forward-1"}).out == "forward-1\n");
  CHECK(context.Run({"forward", "remove", "forward-1"}).code == 4);
  CHECK(context.Run({"forward", "remove", "--all", "db"}).out == "forward-2\n");
  CHECK(json::parse(context.Run({"forward", "list", "--format", "json"}).out).empty());
}

TEST_CASE("the help of forward names its verbs", "[cli][forward]") {
  EmberContext context(EmberContext::Daemon::kAbsent);
  const auto result = context.Run({"forward", "--help"});
  CHECK(result.code == 0);
  CHECK_THAT(result.out, Contains("forward list") && Contains("forward remove") &&
                             Contains("Also spelled 'ember forward add'."));
}

}  // namespace
}  // namespace ember::testing
