#include "cli/help.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "cli/command_table.h"

namespace ember::cli {
namespace {

constexpr std::string_view kDaemonNote =
    "The daemon is the one at --host, --state-dir or EMBER_HOST, else the default of this user.\n";

struct Line {
  std::string left;
  std::string right;
};

std::string Section(std::string_view title, const std::vector<Line>& lines) {
  if (lines.empty()) return "";
  size_t width = 0;
  for (const Line& line : lines) width = std::max(width, line.left.size());
  std::string text = fmt::format("\n{}:\n", title);
  for (const Line& line : lines)
    text += fmt::format("  {:<{}}  {}\n", line.left, width, line.right);
  return text;
}

std::vector<Line> LinesOf(const std::vector<Arguments::Entry>& entries) {
  std::vector<Line> lines;
  for (const auto& entry : entries) lines.push_back({entry.usage, entry.help});
  return lines;
}

std::string Words(const Command& command) {
  return command.verb.empty() ? std::string(command.noun)
                              : fmt::format("{} {}", command.noun, command.verb);
}

// The verbs of a noun that is a command without one, too.
std::vector<Line> VerbsOf(const Command& command) {
  std::vector<Line> lines;
  if (!command.verb.empty()) return lines;
  for (const Command& other : CommandTable()) {
    if (other.noun == command.noun && !other.verb.empty()) {
      lines.push_back({Words(other), std::string(other.summary)});
    }
  }
  return lines;
}

}  // namespace

std::string CommandName(const Command& command) { return "ember " + Words(command); }

std::string ProgramHelp() {
  std::vector<Line> lines;
  for (const Command& command : CommandTable()) {
    lines.push_back({Words(command), std::string(command.summary)});
  }
  return "Usage: ember COMMAND [options]\n\nIsolated Linux microVMs on this host.\n" +
         Section("Commands", lines) + "\nExample:\n  ember vm create dev --image debian\n\n" +
         "'ember COMMAND --help' shows a command's options and an example.\n" +
         std::string(kDaemonNote);
}

std::string NounHelp(std::string_view noun) {
  std::vector<Line> lines;
  std::string_view example;
  for (const Command& command : CommandTable()) {
    if (command.noun != noun) continue;
    if (example.empty()) example = command.example;
    lines.push_back({std::string(command.verb), std::string(command.summary)});
  }
  return fmt::format("Usage: ember {} COMMAND [options]\n", noun) + Section("Commands", lines) +
         fmt::format("\nExample:\n  {}\n", example);
}

std::string CommandHelp(const Command& command, const Arguments& arguments) {
  const std::string alias = command.alias.empty() ? ""
                                                  : fmt::format("Also spelled 'ember {} {}'.\n",
                                                                command.noun, command.alias);
  return fmt::format("Usage: {}{}\n\n{}.\n", CommandName(command), arguments.Usage(),
                     command.summary) +
         alias + Section("Commands", VerbsOf(command)) +
         Section("Arguments", LinesOf(arguments.positionals())) +
         Section("Options", LinesOf(arguments.options())) +
         Section("Global options", LinesOf(arguments.global_options())) +
         fmt::format("\nExample:\n  {}\n", command.example);
}

}  // namespace ember::cli
