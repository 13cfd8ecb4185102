#pragma once

#include <string>

#include "absl/status/status.h"
#include "base/cancellation.h"

namespace ember::agent {

struct RemovalOptions {
  bool recursive = false;  // directories with all that is in them
  bool missing_ok = false;
};

// Removes `path`, never what a link points to. Works with descriptors, so nobody can lead it
// elsewhere by replacing a directory with a link. PermissionDenied for "/"; InvalidArgument for a
// directory unless `recursive`. What was removed before a failure stays so.
absl::Status RemoveFile(const std::string& path, RemovalOptions options,
                        const Cancellation& cancellation);

}  // namespace ember::agent
