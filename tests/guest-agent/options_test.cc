#include "guest-agent/options.h"

#include "tests/support/status_matchers.h"

using namespace ember;
using namespace ember::agent;
using ember::testing::ValueOf;

TEST_CASE("no words mean the guest's usual ports", "[agent][options]") {
  const Options options = ValueOf(ParseOptions({}));
  CHECK(options.json_port == 1024);
  CHECK(options.framed_port == 1025);
  CHECK(options.uds.empty());
}

TEST_CASE("options take their value after a blank or an equals sign", "[agent][options]") {
  const Options options =
      ValueOf(ParseOptions({"--port", "2000", "--framed-port=2001", "--uds", "/a=b",
                            "--ready-socket=/r", "--log-level", "debug"}));
  CHECK(options.json_port == 2000);
  CHECK(options.framed_port == 2001);
  CHECK(options.uds == "/a=b");
  CHECK(options.ready_socket == "/r");
  CHECK(options.log_level == LogLevel::kDebug);
  CHECK(ValueOf(ParseOptions({"--version"})).task == agent::Task::kShowVersion);
  CHECK(ValueOf(ParseOptions({"--help"})).task == agent::Task::kShowHelp);
}

TEST_CASE("a wrong word is named, with a hint", "[agent][options]") {
  const std::vector<std::pair<std::vector<std::string_view>, std::string>> cases = {
      {{"--fly"}, "unknown option '--fly'"},
      {{"serve"}, "unknown option 'serve'"},
      {{"--port"}, "option --port needs a value"},
      {{"--port", "0"}, "option --port: '0' is not a port from 1 to 4294967294"},
      {{"--port", "12x"}, "option --port: '12x' is not a port from 1 to 4294967294"},
      {{"--port", "4294967295"}, "option --port: '4294967295' is not a port from 1 to 4294967294"},
      {{"--port", "1025"}, "--port and --framed-port are both 1025"},
      {{"--uds="}, "option --uds needs a path"},
      {{"--log-level", "loud"},
       "option --log-level: 'loud' is not trace, debug, info, warn or error"}};
  for (const auto& [words, message] : cases) {
    const auto options = ParseOptions(words);
    REQUIRE_FALSE(options.ok());
    CHECK(std::string(Message(options.status())) == message);
    CHECK(HintOf(options.status()).has_value());
  }
}
