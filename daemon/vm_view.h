#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

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
  std::optional<absl::Time> next_start_at;  // by its restart policy
  std::optional<uint64_t> used_bytes = {};  // of the host's disk, its own; DiskMeter fills it in
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
  std::string boot_args;
  state::RestartPolicy restart_policy = state::RestartPolicy::kNo;
  bool autostart = false;
  bool remove_when_stopped = false;
  std::optional<absl::Duration> ttl;  // whole seconds, at least one
  bool run_entrypoint = false;        // of the image, with every boot
  bool start = true;
  absl::Duration agent_wait = kDefaultAgentWait;
  uint32_t owner_uid = 0;
  // One with a size is made where there is none of its name; one without must be there.
  std::vector<state::VolumeAttachment> volumes;

  // Everything but request_id and agent_wait, as one text: two requests with one id must have the
  // same.
  std::string Digest() const;
};

// What a caller wants changed of a VM that is off; what is not set stays.
struct VmUpdate {
  std::optional<uint32_t> vcpus;
  std::optional<uint32_t> memory_mib;
  std::optional<std::string> kernel;
  std::optional<std::string> boot_args;
  std::map<std::string, std::string> set_labels;
  std::vector<std::string> remove_labels;
  std::optional<state::RestartPolicy> restart_policy;
  std::optional<bool> autostart;

  friend bool operator==(const VmUpdate&, const VmUpdate&) = default;
};

// Which VMs a list is about.
struct VmFilter {
  std::map<std::string, std::string> labels;  // all of them; an empty value: the key is enough
  std::vector<state::VmState> states;         // one of them; none: any

  bool Matches(const state::VmRecord& vm) const;
};

enum class WaitCondition { kAgentReady, kStopped };

}  // namespace ember::daemon
