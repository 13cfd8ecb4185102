#include "backends/images/kernel_source.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <system_error>

#include "backends/images/debian_kernel.h"
#include "backends/images/debian_sources.h"
#include "backends/images/file_digest.h"
#include "backends/images/url_download.h"
#include "base/size.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

constexpr uint64_t kMaxDownload = 512 * kMiB;
constexpr std::string_view kDebian = "debian";
constexpr std::string_view kDebianSuite = "debian:";
constexpr std::string_view kHost = "host";
constexpr std::string_view kDigestPrefix = "sha256:";

bool IsDebian(const KernelSource& source) {
  return source.source == kDebian || source.source.starts_with(kDebianSuite);
}

std::string SuiteOf(const KernelSource& source) {
  return source.source == kDebian ? "" : source.source.substr(kDebianSuite.size());
}

// "sha256:<64 lower-case hex digits>" as DigestFile says it; empty when `text` is no digest.
std::string NormalDigest(std::string_view text) {
  if (text.starts_with(kDigestPrefix)) text.remove_prefix(kDigestPrefix.size());
  constexpr size_t kHexDigits = 64;
  std::string digest(kDigestPrefix);
  for (const char c : text) {
    if (std::isxdigit(static_cast<unsigned char>(c)) == 0) return "";
    digest.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  }
  return text.size() == kHexDigits ? digest : "";
}

absl::Status CheckDigest(const KernelSource& source, const std::filesystem::path& file,
                         const std::string& shown, const ProgressSink& sink,
                         const Cancellation& cancellation) {
  if (source.sha256.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string digest, DigestFile(file, sink, cancellation));
  if (digest == NormalDigest(source.sha256)) return absl::OkStatus();
  return WithHint(DataLoss("{} is not the file that was asked for: its digest is {}, not {}", shown,
                           digest, NormalDigest(source.sha256)),
                  "compare the digest with the one that its publisher gives");
}

absl::StatusOr<KernelFiles> DownloadKernel(const KernelSource& source,
                                           const std::filesystem::path& scratch,
                                           const ProgressSink& sink,
                                           const Cancellation& cancellation) {
  Download download;
  download.url = source.source;
  download.target = scratch / "downloaded-kernel";
  download.max_bytes = kMaxDownload;
  RETURN_IF_ERROR(DownloadFile(download, sink, cancellation));
  const std::string shown = ShownUrl(source.source);
  RETURN_IF_ERROR(CheckDigest(source, download.target, shown, sink, cancellation));
  return KernelFiles{download.target, source.modules, "url:" + shown};
}

absl::StatusOr<KernelFiles> FindKernelFile(const KernelSource& source, const ProgressSink& sink,
                                           const Cancellation& cancellation) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(source.source, error)) {
    return WithHint(NotFound("kernel file '{}' does not exist or is no file", source.source),
                    "name an existing file, or run 'ember kernel add debian'");
  }
  RETURN_IF_ERROR(CheckDigest(source, source.source, source.source, sink, cancellation));
  return KernelFiles{source.source, source.modules, "file:" + source.source};
}

absl::StatusOr<KernelFiles> FindHostKernel() {
  struct utsname host {};
  if (uname(&host) != 0) return ErrnoStatus(errno, "uname");
  return FindInstalledKernel("/", host.release);
}

}  // namespace

absl::Status CheckKernelSource(const KernelSource& source) {
  const bool named = IsDebian(source) || source.source == kHost;
  if (source.source.starts_with(kDebianSuite)) {
    RETURN_IF_ERROR(CheckDebianNames(SuiteOf(source), {}));
  }
  if (named && !source.modules.empty()) {
    return InvalidArgument(
        "kernel source '{}' brings its own modules; a folder of modules goes "
        "only with a path or an address",
        source.source);
  }
  if (source.sha256.empty()) return absl::OkStatus();
  if (named) {
    return InvalidArgument(
        "a digest goes only with the path or the address of a kernel, not with "
        "'{}'",
        source.source);
  }
  if (NormalDigest(source.sha256).empty()) {
    return WithHint(InvalidArgument("'{}' is no SHA-256 digest (64 hex digits)", source.sha256),
                    "take it from 'sha256sum FILE'");
  }
  return absl::OkStatus();
}

std::string KernelNameOf(const KernelSource& source) {
  if (!source.name.empty()) return source.name;
  if (source.source == kHost || source.source == kDebian) return source.source;
  return IsDebian(source) ? "debian-" + SuiteOf(source) : "";
}

absl::StatusOr<KernelFiles> GetKernelFiles(const KernelSource& source,
                                           const std::filesystem::path& scratch,
                                           const ProgressSink& sink,
                                           const Cancellation& cancellation) {
  std::error_code error;
  if (!source.modules.empty() && !std::filesystem::is_directory(source.modules, error)) {
    return NotFound("modules folder '{}' does not exist or is no folder", source.modules.native());
  }
  if (IsDebian(source)) return FetchDebianKernel(SuiteOf(source), scratch, sink, cancellation);
  if (source.source == kHost) return FindHostKernel();
  if (IsUrl(source.source)) return DownloadKernel(source, scratch, sink, cancellation);
  return FindKernelFile(source, sink, cancellation);
}

absl::StatusOr<KernelFiles> FindInstalledKernel(const std::filesystem::path& root,
                                                const std::string& release) {
  const std::filesystem::path modules = root / "lib/modules" / release;
  const std::filesystem::path usual = root / "boot" / ("vmlinuz-" + release);
  std::error_code error;
  for (const std::filesystem::path& kernel : {usual, modules / "vmlinuz"}) {
    if (!std::filesystem::is_regular_file(kernel, error)) continue;
    if (access(kernel.c_str(), R_OK) != 0) {
      return WithHint(
          PermissionDenied("the host's kernel {} can't be read", kernel.native()),
          fmt::format("run 'sudo chmod +r {}', or 'ember kernel add debian'", kernel.native()));
    }
    const bool has_modules = std::filesystem::is_directory(modules, error);
    return KernelFiles{kernel, has_modules ? modules : std::filesystem::path(), "host:" + release};
  }
  return WithHint(
      FailedPrecondition("the kernel that this host runs ({}) has no file here: {} does not exist "
                         "(in a container or a VM it lies elsewhere)",
                         release, usual.native()),
      "run 'ember kernel add debian', or name a kernel's path");
}

}  // namespace ember::images
