#pragma once

#include <string>

#include "base/unique_fd.h"

namespace ember::agent {

// A connection that has left its session.
struct TakenSocket {
  UniqueFd fd;           // non-blocking
  std::string received;  // what the client has sent behind the frames that were handled
  std::string unsent;    // what is still to be sent to the client first
};

}  // namespace ember::agent
