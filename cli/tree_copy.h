#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/tree/entry.h"
#include "cli/client.h"
#include "cli/copy_place.h"
#include "cli/progress.h"

namespace ember::cli {

struct CopyOptions {
  bool follow_symlinks = false;
  bool keep_owner = false;
};

// Copies a file or a tree, at least one side of which is a VM: a standard stream carries the bytes
// of one file. Between two VMs the stream passes through this process, in bounded memory and
// without a file. Ctrl-C ends it; whatever ends it, no partial file stays. The guest is not trusted
// with our files: what it sends stays below the destination, without devices
// (base/tree/tree_sink.h). Blocks.
absl::StatusOr<tree::TreeSummary> CopyTree(Client& client, const CopyPlace& from,
                                           const CopyPlace& to, const CopyOptions& options,
                                           Progress& progress);

}  // namespace ember::cli
