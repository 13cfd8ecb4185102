#include "cli/words.h"

#include "absl/time/time.h"

namespace ember::cli {

std::string StateWord(v1::VmState state) {
  switch (state) {
    case v1::CREATING:
      return "creating";
    case v1::CREATED:
      return "created";
    case v1::STARTING:
      return "starting";
    case v1::RUNNING:
      return "running";
    case v1::PAUSED:
      return "paused";
    case v1::STOPPING:
      return "stopping";
    case v1::STOPPED:
      return "stopped";
    case v1::FAILED:
      return "failed";
    case v1::DELETING:
      return "deleting";
    default:
      return "unknown";
  }
}

const std::vector<std::string>& StateWords() {
  static const auto& kWords =
      *new std::vector<std::string>{"creating", "created", "starting", "running", "paused",
                                    "stopping", "stopped", "failed",   "deleting"};
  return kWords;
}

v1::VmState StateOf(const std::string& word) {
  for (const auto state : {v1::CREATING, v1::CREATED, v1::STARTING, v1::RUNNING, v1::PAUSED,
                           v1::STOPPING, v1::STOPPED, v1::FAILED, v1::DELETING}) {
    if (StateWord(state) == word) return state;
  }
  return v1::VM_STATE_UNSPECIFIED;
}

std::string RestartWord(v1::RestartPolicy policy) {
  switch (policy) {
    case v1::ON_FAILURE:
      return "on-failure";
    case v1::ALWAYS:
      return "always";
    default:
      return "no";
  }
}

v1::RestartPolicy RestartPolicyOf(const std::string& word) {
  for (const auto policy : {v1::NO, v1::ON_FAILURE, v1::ALWAYS}) {
    if (RestartWord(policy) == word) return policy;
  }
  return v1::RESTART_POLICY_UNSPECIFIED;
}

std::string AgentWord(v1::AgentState state) {
  switch (state) {
    case v1::WAITING:
      return "waiting";
    case v1::READY:
      return "ready";
    case v1::LOST:
      return "lost";
    default:
      return "";
  }
}

std::string VerdictWord(v1::DoctorCheck::Verdict verdict) {
  switch (verdict) {
    case v1::DoctorCheck::OK:
      return "ok";
    case v1::DoctorCheck::WARNING:
      return "warning";
    default:
      return "problem";
  }
}

std::string DriverPlaceWord(v1::Kernel::Driver::Place place) {
  switch (place) {
    case v1::Kernel::Driver::BUILT_IN:
      return "built-in";
    case v1::Kernel::Driver::MODULE:
      return "module";
    case v1::Kernel::Driver::ABSENT:
      return "absent";
    default:
      return "unknown";
  }
}

std::string TimeText(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0 && time.nanos() == 0) return "";
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(time.seconds()),
                          absl::UTCTimeZone());
}

}  // namespace ember::cli
