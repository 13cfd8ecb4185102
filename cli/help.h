#pragma once

#include <string>
#include <string_view>

#include "cli/arguments.h"
#include "cli/command.h"

// The texts of --help. Each ends with a line end.
namespace ember::cli {

// Of `ember` itself: all commands, one line each.
std::string ProgramHelp();
// Of a noun that takes a verb: its commands.
std::string NounHelp(std::string_view noun);
// Of one command, whose arguments have been declared.
std::string CommandHelp(const Command& command, const Arguments& arguments);

// "ember vm create".
std::string CommandName(const Command& command);

}  // namespace ember::cli
