#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/client.h"

namespace ember::cli {

// Which VMs a command is about: one by name, or --all.
struct VmSelection {
  std::string name;
  bool all = false;
};

// Which of all VMs --all means.
enum class AllMeans { kEvery, kNotStopped };

// The selected names. InvalidArgument when neither or both were given.
absl::StatusOr<std::vector<std::string>> SelectVms(Client& client, const VmSelection& selection,
                                                   AllMeans all_means);

// InvalidArgument when neither or both were given; for a check before there is a client.
absl::Status CheckSelection(const VmSelection& selection);

}  // namespace ember::cli
