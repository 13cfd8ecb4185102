#include <sstream>

#include "tests/cli/ember_program.h"
#include "tests/support/catch.h"

namespace ember::testing {
namespace {

using Catch::Matchers::Contains;

// The words of every command, as `ember --help` lists them.
std::vector<std::vector<std::string>> AllCommands(EmberContext& context) {
  std::istringstream help(context.Run({"--help"}).out);
  std::vector<std::vector<std::string>> commands;
  bool inside = false;
  for (std::string line; std::getline(help, line);) {
    if (line == "Commands:") inside = true;
    if (line.empty() && !commands.empty()) break;
    if (!inside || !line.starts_with("  ")) continue;
    std::istringstream words(line.substr(2, line.find("  ", 2) - 2));
    commands.emplace_back();
    for (std::string word; words >> word;) commands.back().push_back(word);
  }
  return commands;
}

TEST_CASE("every command has help with an example of itself, without a daemon", "[cli][help]") {
  EmberContext context(EmberContext::Daemon::kAbsent);
  const auto commands = AllCommands(context);
  REQUIRE(commands.size() >= 31);
  for (std::vector<std::string> words : commands) {
    std::string name = "ember";
    for (const std::string& word : words) name += " " + word;
    INFO(name);
    words.push_back("--help");
    const ProgramResult help = context.Run(words);
    CHECK(help.code == 0);
    CHECK(help.err.empty());
    CHECK_THAT(help.out, Contains("Usage: " + name));
    CHECK_THAT(help.out, Contains("\nExample:\n  " + name));
    CHECK_THAT(help.out, Contains("--state-dir DIR"));
  }
}

TEST_CASE("a command that does not exist suggests one that does", "[cli][help]") {
  EmberContext context(EmberContext::Daemon::kAbsent);
  const ProgramResult verb = context.Run({"vm", "craete"});
  CHECK(verb.code == 2);
  CHECK(verb.out.empty());
  CHECK(verb.err ==
        "error: unknown command of 'ember vm' 'craete'\n"
        "hint: did you mean 'ember vm create'?\n");
  CHECK_THAT(context.Run({"imgae", "list"}).err, Contains("did you mean 'ember image'?"));
  CHECK_THAT(context.Run({"frobnicate"}).err, Contains("run 'ember --help' for a list"));
}

TEST_CASE("an incomplete command is a usage error that shows the choices", "[cli][help]") {
  EmberContext context(EmberContext::Daemon::kAbsent);
  CHECK(context.Run({}).code == 2);
  const ProgramResult noun = context.Run({"vm"});
  CHECK(noun.code == 2);
  CHECK_THAT(noun.err, Contains("inspect"));
  CHECK(context.Run({"help"}).code == 0);
}

}  // namespace
}  // namespace ember::testing
