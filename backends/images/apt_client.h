#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/images/progress.h"
#include "base/cancellation.h"

namespace ember::images {

// A package file on disk and what it is.
struct DebFile {
  std::filesystem::path path;
  std::string package;
  std::string version;
};

// Downloads Debian packages from the host's configured sources, verified by apt. Needs no root and
// changes nothing outside `scratch`: where the host's package lists are missing or out of date, it
// fetches a private copy of them to `scratch`. Not thread-safe.
class AptClient {
 public:
  // `scratch` must exist and belongs to the caller, who removes it.
  explicit AptClient(std::filesystem::path scratch) : scratch_(std::move(scratch)) {}

  // From now on packages are those of another Debian suite ("trixie"), from the mirrors that the
  // host's apt uses, with lists of its own in `scratch`. Signatures are checked as ever, with the
  // host's keys. FailedPrecondition when the host has no Debian source.
  absl::Status UseSuite(const std::string& suite, const ProgressSink& sink,
                        const Cancellation& cancellation);

  // NotFound when no source has the package.
  absl::StatusOr<DebFile> Download(const std::string& package, const ProgressSink& sink,
                                   const Cancellation& cancellation);

  // The same for the first dependency of `meta` whose name starts with `prefix`: of
  // linux-image-cloud-amd64 that is the package with the kernel itself.
  absl::StatusOr<DebFile> DownloadDependency(const std::string& meta, std::string_view prefix,
                                             const ProgressSink& sink,
                                             const Cancellation& cancellation);

  // What "apt-get indextargets --format `format`" prints for the host's sources, one line each.
  absl::StatusOr<std::vector<std::string>> IndexTargets(const std::string& format,
                                                        const Cancellation& cancellation);

 private:
  absl::StatusOr<DebFile> DownloadWithLists(const std::string& package,
                                            const Cancellation& cancellation);
  absl::StatusOr<std::string> FindDependency(const std::string& meta, std::string_view prefix,
                                             const Cancellation& cancellation);
  absl::Status FetchPrivateLists(const ProgressSink& sink, const Cancellation& cancellation);
  absl::StatusOr<std::string> Run(std::vector<std::string> words, const std::filesystem::path& cwd,
                                  const Cancellation& cancellation);

  std::filesystem::path scratch_;
  std::vector<std::string> source_options_;  // that make apt read other sources than the host's
  std::vector<std::string> options_;  // that point apt at the private lists once we have them
};

}  // namespace ember::images
