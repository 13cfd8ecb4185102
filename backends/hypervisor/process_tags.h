#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/subprocess.h"

// Every process that a backend starts carries two variables in its environment: whose it is and
// which machine it belongs to. A daemon that was killed between starting a process and recording it
// finds it again by them.
namespace ember::hypervisor {

inline constexpr std::string_view kInstallationTag = "EMBER_INSTALLATION_ID";
inline constexpr std::string_view kMachineTag = "EMBER_MACHINE_ID";

struct TaggedProcess {
  ProcessIdentity identity;
  std::string machine_id;
};

// The environment of a new machine process: ours, less what could steer it, plus the tags.
std::vector<std::string> TaggedEnvironment(std::string_view installation_id,
                                           std::string_view machine_id);

// The machine that exactly this process is tagged with; nothing when it is gone, belongs to another
// installation or may not be looked into.
std::optional<std::string> MachineOf(const ProcessIdentity& process,
                                     std::string_view installation_id);

// All live processes of the installation that we may look into (/proc/<pid>/environ: our own
// user's, or everybody's as root).
absl::StatusOr<std::vector<TaggedProcess>> FindTagged(std::string_view installation_id);

}  // namespace ember::hypervisor
