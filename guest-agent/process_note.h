#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "ember/agent/v1/agent.pb.h"
#include "guest-agent/spawner.h"

namespace ember::agent {

// What a list of processes says about one, apart from how it fares. A value.
struct ProcessNote {
  // Of all words together so many bytes are kept, the rest is cut off: a list has to fit a frame.
  static constexpr size_t kMostWords = 1024;

  pid_t pid = 0;
  std::vector<std::string> argv;
  std::string user;
  uint64_t started_unix_ms = 0;
  bool tty = false;

  // Of a process that has just been started.
  static ProcessNote Of(const ProcessSpec& spec, pid_t pid);

  // With so many bytes of the words at most.
  v1::Process ToProto(size_t most_words) const;
  // The reverse.
  static ProcessNote FromProto(const v1::Process& process);
};

}  // namespace ember::agent
