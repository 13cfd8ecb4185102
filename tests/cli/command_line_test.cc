#include "cli/command_line.h"

#include "tests/support/catch.h"

namespace ember::cli {
namespace {

TEST_CASE("global options may stand anywhere before '--'", "[cli][command_line]") {
  const CommandLine expected{.noun = "vm", .verb = "list", .words = {"--state-dir", "vm"}};
  CHECK(SplitCommandLine({"--state-dir", "vm", "vm", "list"}) == expected);
  CHECK(SplitCommandLine({"vm", "--state-dir", "vm", "list"}) == expected);
  CHECK(SplitCommandLine({"vm", "list", "--state-dir", "vm"}) == expected);
}

TEST_CASE("what follows '--' is the command's, whatever it looks like", "[cli][command_line]") {
  const CommandLine line = SplitCommandLine({"exec", "web", "--", "ls", "--help", "--", "-l"});
  CHECK(line.noun == "exec");
  CHECK(line.verb.empty());
  CHECK(line.words == std::vector<std::string>{"web"});
  CHECK(line.rest == std::vector<std::string>{"ls", "--help", "--", "-l"});
  CHECK_FALSE(line.help);
}

TEST_CASE("help can be asked for in three ways", "[cli][command_line]") {
  const CommandLine expected{.noun = "vm", .verb = "list", .help = true};
  CHECK(SplitCommandLine({"vm", "list", "--help"}) == expected);
  CHECK(SplitCommandLine({"help", "vm", "list"}) == expected);
  CHECK(SplitCommandLine({"vm", "-h", "list"}) == expected);
}

TEST_CASE("a VM may be called like a command", "[cli][command_line]") {
  const CommandLine line = SplitCommandLine({"vm", "inspect", "help"});
  CHECK(line.words == std::vector<std::string>{"help"});
  CHECK_FALSE(line.help);
}

}  // namespace
}  // namespace ember::cli
