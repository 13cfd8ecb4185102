#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "base/cancellation.h"
#include "guest-agent/json/tree_copy.h"

// A workspace as a gzipped tar, where the file system can't clone files.
namespace ember::agent {

// Writes the directory `name` of `parent` to the new file `archive` in `folder`.
absl::Status SaveArchive(int parent, const std::string& name, int folder, const char* archive,
                         Budget& budget, const Cancellation& cancellation);

// Unpacks it as the new directory `name` of `parent`; how many entries are below that. After an
// error a part of it is there.
absl::StatusOr<uint64_t> LoadArchive(int folder, const char* archive, int parent,
                                     const std::string& name, const Cancellation& cancellation);

}  // namespace ember::agent
