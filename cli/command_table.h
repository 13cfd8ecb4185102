#pragma once

#include <span>
#include <string_view>

#include "cli/command.h"

namespace ember::cli {

// Every command, grouped by noun in the order of the help.
std::span<const Command> CommandTable();

// The command of exactly these words (an alias is one, too), or nullptr.
const Command* FindCommand(std::string_view noun, std::string_view verb);
// Whether some command starts with `noun`.
bool IsNoun(std::string_view noun);
// Whether `word` right behind `noun` is its verb: any word where the noun is nothing without one,
// else only a verb that there is.
bool IsVerbOf(std::string_view noun, std::string_view word);

}  // namespace ember::cli
