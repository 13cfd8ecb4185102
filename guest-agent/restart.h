#pragma once

#include <filesystem>
#include <vector>

#include "base/log.h"
#include "guest-agent/saved_process.h"

// The agent becomes another program, or itself anew, without losing its detached processes: they
// stay children of the same process, and their descriptors stay open (docs/exec.md).
namespace ember::agent {

// Where a guest's newer agent lies, if there is one.
inline constexpr char kInstalledAgent[] = "/run/ember/emberd";

// Whether the program that we were before has left us something.
bool IsRestart();
// Takes that; nothing where there is nothing. What of it can't be used is logged, and its
// descriptors closed. Call it before anything is opened.
std::vector<SavedProcess> TakeRestartState(const Log& log);

enum class Where { kGuest, kElsewhere };
// What to restart into, best first.
std::vector<std::filesystem::path> RestartPrograms(Where where);

// Executes the first of `programs` that can be, with the words that we were started with, and
// leaves it `processes`. Comes back only if none can: then everything is as it was, and logged.
void RestartInto(const std::vector<std::filesystem::path>& programs,
                 const std::vector<SavedProcess>& processes, const Log& log);

}  // namespace ember::agent
