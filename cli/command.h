#pragma once

#include <functional>
#include <string_view>

#include "absl/status/statusor.h"
#include "cli/arguments.h"
#include "cli/invocation.h"

namespace ember::cli {

// Runs a command whose arguments have been filled in; the answer is the process's exit code. An
// error is printed by the caller.
using Action = std::function<absl::StatusOr<int>(Invocation&)>;

// One line of the command table.
struct Command {
  std::string_view noun;
  std::string_view verb;  // empty: the noun is the whole command
  std::string_view summary;
  std::string_view example;
  // Declares the command's arguments and answers with what runs it. The targets of the arguments
  // belong to the action.
  Action (*define)(Arguments& arguments);
  // The exit code of a failure; ExitCodeOf except for `exec`.
  int (*exit_code)(const absl::Status& status);
  std::string_view alias = {};  // another spelling of the verb; only the command's own help tells
  // What --format takes beside table and json, with blanks in between: the command itself gives
  // these words their meaning.
  std::string_view formats = {};
};

}  // namespace ember::cli
