#pragma once

#include <filesystem>
#include <string>

#include "absl/status/statusor.h"
#include "backends/images/kernel_source.h"
#include "backends/images/progress.h"
#include "base/cancellation.h"

namespace ember::images {

// Downloads Debian's cloud kernel of `suite` (empty: the host's own) with apt, which checks it, and
// unpacks the kernel and those of its modules that CollectModules looks for below `scratch`. Needs
// no root.
absl::StatusOr<KernelFiles> FetchDebianKernel(const std::string& suite,
                                              const std::filesystem::path& scratch,
                                              const ProgressSink& sink,
                                              const Cancellation& cancellation);

}  // namespace ember::images
