#include "cli/command_line.h"

#include <algorithm>
#include <set>
#include <vector>

#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "cli/arguments.h"
#include "cli/command_table.h"
#include "cli/exit_code.h"
#include "cli/help.h"
#include "cli/invocation.h"
#include "cli/standard_streams.h"
#include "cli/suggestion.h"

namespace ember::cli {
namespace {

bool IsGlobalWithValue(const std::string& word) {
  return word == "--state-dir" || word == "--host" || word == "--format";
}

// Takes `word` as noun or verb if one is still missing. `verb_may_come`: no other word came behind
// the noun.
bool TakeWord(const std::string& word, bool verb_may_come, CommandLine& line) {
  if (line.noun.empty() && word == "help") {
    line.help = true;
  } else if (line.noun.empty()) {
    line.noun = word == "--version" ? "version" : word;
  } else if (line.verb.empty() && verb_may_come && IsVerbOf(line.noun, word)) {
    line.verb = word;
  } else {
    return false;
  }
  return true;
}

absl::Status Unknown(std::string_view what, const std::string& typed,
                     const std::vector<std::string>& known, std::string_view prefix) {
  const auto near = NearestWord(typed, known);
  return WithHint(InvalidArgument("unknown {} '{}'", what, typed),
                  near.has_value() ? fmt::format("did you mean '{} {}'?", prefix, *near)
                                   : fmt::format("run '{} --help' for a list", prefix));
}

// Why there is no such command.
absl::Status UnknownCommand(const CommandLine& line) {
  std::vector<std::string> known;
  if (!IsNoun(line.noun)) {
    for (const Command& command : CommandTable()) known.emplace_back(command.noun);
    return Unknown("command", line.noun, known, "ember");
  }
  const std::string prefix = "ember " + line.noun;
  for (const Command& command : CommandTable()) {
    if (command.noun != line.noun) continue;
    known.emplace_back(command.verb);
    if (!command.alias.empty()) known.emplace_back(command.alias);
  }
  return Unknown(fmt::format("command of '{}'", prefix), line.verb, known, prefix);
}

void DeclareGlobalOptions(const Command& command, Arguments& arguments, GlobalOptions& options) {
  std::vector<std::string> formats = {"table", "json"};
  for (const absl::string_view more :
       absl::StrSplit(std::string(command.formats), ' ', absl::SkipEmpty())) {
    formats.emplace_back(more);
  }
  arguments.BeginGlobal();
  arguments.Text("--state-dir", "DIR", options.state_dir,
                 "Talk to the daemon that keeps its state there");
  arguments.Text("--host", "unix:PATH", options.host,
                 "Talk to the daemon that listens there (also EMBER_HOST)");
  arguments.Choice("--format", formats, options.format,
                   command.formats.empty() ? "How results are printed"
                                           : "How the result is printed, or what form it has");
  arguments.Flag("-q,--quiet", options.quiet, "No progress and no notes");
}

int Fail(const absl::Status& status, int exit_code) {
  PrintError(status);
  return exit_code;
}

int PrintHelp(const std::string& text) {
  const absl::Status status = WriteStdout(text);
  return status.ok() ? kDone : Fail(status, kFailed);
}

int RunCommand(const Command& command, const CommandLine& line) {
  Arguments arguments;
  const Action action = command.define(arguments);
  GlobalOptions options;
  DeclareGlobalOptions(command, arguments, options);
  if (line.help) return PrintHelp(CommandHelp(command, arguments));
  absl::Status status = arguments.Parse(line.words, line.rest);
  if (!status.ok()) {
    if (!HintOf(status).has_value()) {
      status = WithHint(status, fmt::format("run '{} --help'", CommandName(command)));
    }
    return Fail(status, command.exit_code(status));
  }
  Invocation invocation(options);
  absl::StatusOr<int> code = action(invocation);
  const absl::Status flushed = invocation.Flush();  // also what came before an error
  if (code.ok() && !flushed.ok()) code = flushed;
  return code.ok() ? *code : Fail(code.status(), command.exit_code(code.status()));
}

// `ember` or `ember vm` alone: the help, as an answer when it was asked for, else as an error.
int RunWithoutCommand(const CommandLine& line) {
  const std::string help = line.noun.empty() ? ProgramHelp() : NounHelp(line.noun);
  if (line.help) return PrintHelp(help);
  WriteStderr(help);
  return kUsage;
}

}  // namespace

CommandLine SplitCommandLine(const std::vector<std::string>& arguments) {
  CommandLine line;
  const auto dashes = std::find(arguments.begin(), arguments.end(), "--");
  if (dashes != arguments.end()) line.rest.emplace(dashes + 1, arguments.end());
  bool verb_may_come = true;
  for (auto word = arguments.begin(); word != dashes; ++word) {
    const bool is_word = !word->starts_with('-') || *word == "--version";
    if (*word == "--help" || *word == "-h") {
      line.help = true;
    } else if (IsGlobalWithValue(*word) && word + 1 != dashes) {
      line.words.push_back(*word);
      line.words.push_back(*++word);
    } else if (!is_word || !TakeWord(*word, verb_may_come, line)) {
      verb_may_come = verb_may_come && !is_word;
      line.words.push_back(*word);
    }
  }
  return line;
}

int RunCommandLine(const std::vector<std::string>& arguments) {
  const CommandLine line = SplitCommandLine(arguments);
  if (const Command* command = FindCommand(line.noun, line.verb); command != nullptr) {
    return RunCommand(*command, line);
  }
  const bool incomplete = line.noun.empty() || (IsNoun(line.noun) && line.verb.empty());
  if (incomplete && (line.help || line.words.empty() || !line.noun.empty())) {
    return RunWithoutCommand(line);
  }
  if (incomplete) {
    return Fail(WithHint(InvalidArgument("a command is missing"), "run 'ember --help'"), kUsage);
  }
  return Fail(UnknownCommand(line), kUsage);
}

}  // namespace ember::cli
