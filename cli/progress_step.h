#pragma once

#include "cli/progress.h"
#include "ember/v1/image.pb.h"

namespace ember::cli {

// Shows one step of a long operation of the daemon; `progress` may be null.
void ShowStep(const v1::Progress& step, Progress* progress);

}  // namespace ember::cli
