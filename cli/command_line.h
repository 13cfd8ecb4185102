#pragma once

#include <optional>
#include <string>
#include <vector>

namespace ember::cli {

// The words of a command line, sorted out before anything is known about the command.
struct CommandLine {
  std::string noun;                              // empty: none was given
  std::string verb;                              // empty: none was given, or the noun takes none
  std::vector<std::string> words;                // all others before "--", in their order
  std::optional<std::vector<std::string>> rest;  // what came after the first "--"
  bool help = false;                             // --help, -h or `help`

  friend bool operator==(const CommandLine&, const CommandLine&) = default;
};

// Global options may stand before the noun, between noun and verb and after the verb; their values
// are not taken for a noun or verb. `arguments` has no program name.
CommandLine SplitCommandLine(const std::vector<std::string>& arguments);

// Runs the command and prints its output and errors; the answer is the exit code.
int RunCommandLine(const std::vector<std::string>& arguments);

}  // namespace ember::cli
