#include "backends/images/debian_kernel.h"

#include <string_view>

#include "backends/images/apt_client.h"
#include "backends/images/deb_package.h"
#include "backends/images/host_architecture.h"
#include "backends/images/staging_dir.h"
#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

// Unpacks the kernel and the modules of a package to `folder`.
absl::StatusOr<KernelFiles> UnpackKernelPackage(const std::filesystem::path& deb,
                                                const std::filesystem::path& folder,
                                                const Cancellation& cancellation) {
  KernelFiles files;
  const auto wants = [](std::string_view path) {
    if (path.starts_with("boot/vmlinu") || path.ends_with("/modules.builtin")) return true;
    // Of the modules, the folders that hold what CollectModules looks for.
    for (const char* folder : {"/drivers/block/", "/drivers/char/hw_random/", "/drivers/net/",
                               "/drivers/virtio/", "/net/core/", "/net/vmw_vsock/", "/fs/ext4/",
                               "/fs/jbd2/", "/fs/mbcache", "/crypto/", "/lib/"}) {
      if (path.find(std::string("/kernel") + folder) != path.npos) return true;
    }
    return false;
  };
  const auto keep = [&](const std::string& path, const std::string& content) -> absl::Status {
    const std::filesystem::path target = folder / path;
    RETURN_IF_ERROR(MakeDirectories(target.parent_path(), 0755));
    if (path.starts_with("boot/")) files.kernel = target;
    if (target.filename() == "modules.builtin") files.modules = target.parent_path();
    return WriteScratchFile(target, content);
  };
  RETURN_IF_ERROR(ReadDebFiles(deb, wants, keep, cancellation));
  if (files.kernel.empty() || files.modules.empty()) {
    return FailedPrecondition("{}: holds no kernel with modules", deb.native());
  }
  return files;
}

absl::StatusOr<DebFile> DownloadKernelPackage(const std::string& suite, AptClient& apt,
                                              const ProgressSink& sink,
                                              const Cancellation& cancellation) {
  if (!suite.empty()) RETURN_IF_ERROR(apt.UseSuite(suite, sink, cancellation));
  return apt.DownloadDependency(std::string(ThisArchitecture().kernel_package), "linux-image-",
                                sink, cancellation);
}

}  // namespace

absl::StatusOr<KernelFiles> FetchDebianKernel(const std::string& suite,
                                              const std::filesystem::path& scratch,
                                              const ProgressSink& sink,
                                              const Cancellation& cancellation) {
  AptClient apt(scratch);
  auto deb = DownloadKernelPackage(suite, apt, sink, cancellation);
  if (!deb.ok()) {
    const absl::Status status = Annotate(deb.status(), "Debian's cloud kernel");
    if (HintOf(status).has_value()) return status;
    return WithHint(status, "add a kernel from a file: 'ember kernel add PATH --modules DIR'");
  }
  Report(sink, {"unpacking", deb->package + " " + deb->version});
  ASSIGN_OR_RETURN(KernelFiles files,
                   UnpackKernelPackage(deb->path, scratch / "unpacked", cancellation));
  files.source = "debian:" + deb->package + "=" + deb->version;
  return files;
}

}  // namespace ember::images
