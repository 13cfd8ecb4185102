#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "base/cancellation.h"

namespace ember::agent {

// Removes the entry `name` of the directory `parent` and all below it; how many entries that were,
// 0 when it is not there. Follows no symbolic link and enters no file system that is mounted below:
// that is an error. However deep a tree is, few descriptors are open.
absl::StatusOr<uint64_t> RemoveEntry(int parent, const std::string& name,
                                     const Cancellation& cancellation);

}  // namespace ember::agent
