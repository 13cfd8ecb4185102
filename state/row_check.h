#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "state/database.h"

namespace ember::state {

// Rows that don't fit each other. Most of it the constraints of schema.sql make impossible: a file
// that was damaged or edited by hand may have it all the same.
struct RowAnomaly {
  // "foreign-key"         rows that belong to a VM (or machine) that is not there
  // "name-twice"          two VMs with one name or directory
  // "cid-missing"         a VM without a CID lease
  // "cid-twice"           a CID that two VMs have, or a VM with two
  // "address-missing"     a VM without an address block
  // "address-twice"       as cid-twice
  // "address-outside"     a block that its subnet has not, or of another subnet than the
  //                       installation's
  // "machine-missing"     no machine row in a state that has one (docs/lifecycle.md)
  // "machine-unexpected"  a machine row in a state that has none
  // "rename-unfinished"   a rename that is under way, or that a crash broke off
  // "port-twice"          a port that two leases have, by way of a wildcard address
  // "forward-unleased"    a forward whose port on the host is not leased to its VM
  // "layer-depth"         a disk layer whose depth is not that of its base and one
  // "layer-format"        a VM whose disk lies over a layer and can't, being raw
  // "layer-unused"        a disk layer that nothing lies over
  // "snapshot-unfinished" a snapshot that is being made or removed, or that a crash broke off
  std::string kind;
  std::vector<std::string> vm_names;  // may be empty
  std::string message;                // one line

  friend bool operator==(const RowAnomaly&, const RowAnomaly&) = default;
};

// All anomalies there are, by kind in the order above, then by name. Changes nothing.
absl::StatusOr<std::vector<RowAnomaly>> CheckRows(Database& database);

}  // namespace ember::state
