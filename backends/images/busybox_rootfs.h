#pragma once

#include <filesystem>
#include <vector>

#include "absl/status/statusor.h"
#include "backends/images/list_source.h"
#include "backends/images/progress.h"
#include "base/cancellation.h"

namespace ember::images {

// A root filesystem of about 2 MB: BusyBox from Debian's busybox-static, its applets as symbolic
// links, the few files in /etc that programs expect, and no init, so that the agent stays PID 1.
// The package is fetched to `scratch` (see apt_client.h) and none of its scripts run; the program
// itself is run once, to name its applets. The result is the same for the same package.
absl::StatusOr<std::vector<ListedEntry>> MakeBusyboxRootfs(const std::filesystem::path& scratch,
                                                           const ProgressSink& sink,
                                                           const Cancellation& cancellation);

}  // namespace ember::images
