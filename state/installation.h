#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "state/database.h"
#include "state/subnet.h"

namespace ember::state {

// What is decided once for a state directory.
struct Installation {
  std::string id;  // UUID; tags every process of this state directory
  Subnet subnet;   // where address blocks are leased from
};

// Reads it, or makes it where the database is new. Without a wish for the subnet it stays as it is,
// at first Subnet::Default(). Another one than is stored takes its place while no block is leased
// from it; else FailedPrecondition (reason SUBNET_MISMATCH), and nothing is changed.
absl::StatusOr<Installation> EnsureInstallation(Database& database,
                                                const std::optional<Subnet>& wanted);

}  // namespace ember::state
