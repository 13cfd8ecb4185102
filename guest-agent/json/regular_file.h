#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/cancellation.h"

namespace ember::agent {

// The content of the regular file `name` in the directory `folder` (AT_FDCWD: a path of its own).
// What is no regular file is FailedPrecondition, and is not waited for; more than `limit` bytes are
// ResourceExhausted. With kKeep a symbolic link is an error. The messages do not name the file.
enum class LinkPolicy { kFollow, kKeep };
absl::StatusOr<std::string> ReadRegularFile(int folder, const std::string& name, LinkPolicy links,
                                            size_t limit, const Cancellation& cancellation);

}  // namespace ember::agent
