#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "backends/images/progress.h"
#include "base/cancellation.h"

namespace ember::images {

// The files of a tar archive that was unpacked without its tree: each is a numbered file of one
// folder, so no name of the archive ever becomes a path of the host. Not thread-safe.
class UnpackedArchive {
 public:
  struct File {
    std::filesystem::path path;
    std::string digest;
    uint64_t size_bytes = 0;
  };

  // `keep` says which files are wanted; without it all. Errors name the archive. ResourceExhausted
  // for an archive that unpacks to more than anybody means. The files stay in `folder`.
  using Keep = std::function<bool(std::string_view path)>;
  static absl::StatusOr<UnpackedArchive> Unpack(const std::filesystem::path& archive,
                                                const std::filesystem::path& folder,
                                                const Keep& keep, const ProgressSink& sink,
                                                const Cancellation& cancellation);

  // By its path in the archive, following links; null when there is none.
  const File* Find(const std::string& path) const;

  const std::map<std::string, File>& files() const { return files_; }

  // The content of a JSON document of it. NotFound when it has none of that name.
  absl::StatusOr<std::string> ReadDocument(const std::string& path) const;

 private:
  explicit UnpackedArchive(std::filesystem::path archive) : archive_(std::move(archive)) {}

  std::filesystem::path archive_;
  std::map<std::string, File> files_;         // by normalized path
  std::map<std::string, std::string> links_;  // symbolic and hard ones, to normalized paths
};

}  // namespace ember::images
