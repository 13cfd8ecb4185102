#pragma once

#include "guest-agent/options.h"

namespace ember::agent {

// Runs the agent beside whatever else runs here, until SIGTERM or SIGINT or a Shutdown request ends
// it. SIGHUP restarts it in place (guest-agent/restart.h). The process's exit code: 0 also when
// another agent serves already, 1 when it can't serve.
int Serve(const Options& options);

}  // namespace ember::agent
