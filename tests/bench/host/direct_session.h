#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "ember/agent/v1/agent.pb.h"

namespace ember::bench {

// A session with the agent straight through the socket device, without the daemon.
class DirectSession {
 public:
  explicit DirectSession(const std::filesystem::path& socket);

  // Says Hello and takes the reply.
  void Hello();
  // Says Hello and runs a command that must end with code 0; its standard output.
  std::string Run(const std::vector<std::string>& argv);

 private:
  void Send(const agent::v1::ClientFrame& frame);
  agent::v1::AgentFrame Next();

  UniqueFd fd_;
};

}  // namespace ember::bench
