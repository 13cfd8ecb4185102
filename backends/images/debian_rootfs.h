#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/images/debian_sources.h"
#include "backends/images/list_source.h"
#include "backends/images/progress.h"
#include "base/cancellation.h"

namespace ember::images {

// Builds a minimal Debian of that suite with mmdebstrap to `scratch`/rootfs.tar and answers its
// path: from the mirrors that the host's apt uses, as root or not (then with subordinate ids where
// the user has them, else with fakechroot). mmdebstrap's words come as progress; it and what it
// started end with `cancellation`.
absl::StatusOr<std::filesystem::path> MakeDebianTar(const std::string& suite,
                                                    const std::vector<std::string>& packages,
                                                    const std::filesystem::path& scratch,
                                                    const ProgressSink& sink,
                                                    const Cancellation& cancellation);

// What has to be written over such a root filesystem: the build host's name and resolver.
std::vector<ListedEntry> DebianReplacements();

}  // namespace ember::images
