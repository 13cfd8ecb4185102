#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "guest-agent/boot/root_files.h"

namespace ember::agent {

// What makes a root disk that VM's and no other's. A disk that comes from an image, or from another
// VM, knows another VM's id, or none; what must not be shared is then made anew.
struct NewIdentity {
  bool renewed = false;  // the disk was not this VM's before
  // Commands that make the ssh host keys which were removed, quickest first; argv each.
  std::vector<std::vector<std::string>> key_commands;

  friend bool operator==(const NewIdentity&, const NewIdentity&) = default;
};

// Compares `instance`, the VM's id, with /var/lib/ember/instance-id. If they differ:
// /etc/machine-id gets a new value where it has one, ssh host keys and random seeds are removed,
// /etc/hostname is `hostname` (unless that is empty). A read-only root is left alone. What one of
// the steps can't do the others still do: the first error is answered then.
absl::StatusOr<NewIdentity> RenewIdentity(const RootFiles& root, std::string_view instance,
                                          std::string_view hostname);

// Writes the id: last, once the keys are made, so that a boot that is cut off does all of it again.
absl::Status RecordIdentity(const RootFiles& root, std::string_view instance);

}  // namespace ember::agent
