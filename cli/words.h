#pragma once

#include <string>
#include <vector>

#include "ember/v1/host_service.pb.h"

// The words that users see for the protocol's enums and values, in tables and in JSON alike.
namespace ember::cli {

// "running", "stopped", …; "unknown" for a state that this program is too old for.
std::string StateWord(v1::VmState state);
// The reverse; VM_STATE_UNSPECIFIED for a word that is none of StateWords().
v1::VmState StateOf(const std::string& word);
const std::vector<std::string>& StateWords();
// "no", "on-failure", "always", and the reverse (vm_config.h has the words).
std::string RestartWord(v1::RestartPolicy policy);
v1::RestartPolicy RestartPolicyOf(const std::string& word);
// "ready", "waiting", "lost"; empty while the VM does not run.
std::string AgentWord(v1::AgentState state);
// "ok", "warning", "problem".
std::string VerdictWord(v1::DoctorCheck::Verdict verdict);
// "built-in", "module", "absent", "unknown".
std::string DriverPlaceWord(v1::Kernel::Driver::Place place);
// "2026-11-23T10:00:00Z"; empty when unset.
std::string TimeText(const google::protobuf::Timestamp& time);

}  // namespace ember::cli
