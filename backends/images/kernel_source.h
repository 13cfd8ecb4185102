#pragma once

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/images/progress.h"
#include "base/cancellation.h"

// Where kernels come from, and how their files get here.
namespace ember::images {

struct KernelSource {
  // "debian" (its cloud kernel), "debian:SUITE", "host" (the kernel that this host runs), an http
  // or https address of a kernel file, or the path of one.
  std::string source;
  std::string name;  // empty: "debian", "debian-SUITE", "host", or the version of the file
  // lib/modules/<version> for a kernel file. Empty: /lib/modules/<version> of the host if that
  // exists; else the kernel's embedded configuration tells whether it has all it needs built in.
  std::filesystem::path modules = {};
  std::string sha256 = {};  // of the kernel file at a path or an address; empty: not checked
};

// The files of a kernel on this host.
struct KernelFiles {
  std::filesystem::path kernel;
  std::filesystem::path modules;  // empty: to be found by the kernel's version
  std::string source;  // for the record: "debian:<package>=<version>", "file:<path>", …
};

// InvalidArgument when parts of a source don't go together or are malformed. Looks at no file.
absl::Status CheckKernelSource(const KernelSource& source);

// The name of a kernel from that source; empty: after its version.
std::string KernelNameOf(const KernelSource& source);

// Brings a kernel's files here, below `scratch` where they are not files of this host. Progress to
// `sink`. NotFound, FailedPrecondition, Unavailable with the reason and what to do. Blocks.
absl::StatusOr<KernelFiles> GetKernelFiles(const KernelSource& source,
                                           const std::filesystem::path& scratch,
                                           const ProgressSink& sink,
                                           const Cancellation& cancellation);

// The kernel of version `release` as distributions install it below `root`: boot/vmlinuz-<release>
// or lib/modules/<release>/vmlinuz, with lib/modules/<release>. FailedPrecondition when it is not
// there, PermissionDenied when it can't be read.
absl::StatusOr<KernelFiles> FindInstalledKernel(const std::filesystem::path& root,
                                                const std::string& release);

}  // namespace ember::images
