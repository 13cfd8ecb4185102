#pragma once

#include <sys/stat.h>

#include "absl/status/status.h"

namespace ember::agent {

// Gives the open file `to` what `from`, an open file of the same kind, has: owner, mode, extended
// attributes, times. Extended attributes that the file system of `to` does not take are left out.
absl::Status CopyAttributes(int from, int to, const struct stat& info);

// Owner and times of something that is not opened, a link perhaps, and the mode of what is no link.
absl::Status SetAttributesAt(int folder, const char* name, const struct stat& info);

}  // namespace ember::agent
