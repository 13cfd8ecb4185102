#pragma once

#include <span>
#include <string_view>

#include "cli/command.h"

namespace ember::cli {

// Every command, grouped by noun in the order of the help.
std::span<const Command> CommandTable();

// The command of exactly these words (an alias is one, too), or nullptr.
const Command* FindCommand(std::string_view noun, std::string_view verb);
// Whether some command starts with `noun`, and whether it takes a verb.
bool IsNoun(std::string_view noun);
bool TakesVerb(std::string_view noun);

}  // namespace ember::cli
