#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "absl/time/time.h"
#include "daemon/agent_watch.h"
#include "state/vm_record.h"

namespace ember::daemon {

// A VM as it is shown to callers: its row, what is known of its agent, and its paths. A snapshot; a
// value.
struct VmView {
  state::VmRecord record;
  AgentState agent = AgentState::kNone;
  std::filesystem::path vsock_path;
  std::filesystem::path console_path;
  std::filesystem::path kernel_path;
};

// How long an answer waits for the agent of a machine that was started: running out is not an
// error.
inline constexpr absl::Duration kDefaultAgentWait = absl::Seconds(90);

// What a caller wants created. Zero and empty mean the default.
struct CreateVmSpec {
  std::string request_id;
  std::string name;
  std::string image;
  std::string kernel;
  std::string backend;
  std::string init = "auto";  // or "agent"
  uint32_t vcpus = 0;
  uint32_t memory_mib = 0;
  uint64_t disk_bytes = 0;
  std::map<std::string, std::string> labels;
  bool start = true;
  absl::Duration agent_wait = kDefaultAgentWait;
  uint32_t owner_uid = 0;

  // Everything but request_id and agent_wait, as one text: two requests with one id must have the
  // same.
  std::string Digest() const;
};

enum class WaitCondition { kAgentReady, kStopped };

}  // namespace ember::daemon
