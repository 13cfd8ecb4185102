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

std::string TimeText(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0 && time.nanos() == 0) return "";
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(time.seconds()),
                          absl::UTCTimeZone());
}

}  // namespace ember::cli
