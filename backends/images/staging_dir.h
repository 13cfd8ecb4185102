#pragma once

#include <filesystem>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ember::images {

// A folder `<parent>/.staging-<uuid>` in which something is made that appears under its name only
// when it is complete. Removed with all that is in it unless committed. Move-only. Not thread-safe.
class StagingDir {
 public:
  static absl::StatusOr<StagingDir> Create(const std::filesystem::path& parent);
  StagingDir(StagingDir&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  StagingDir& operator=(StagingDir&& other) noexcept;
  ~StagingDir();

  const std::filesystem::path& path() const { return path_; }

  // Makes the folder durable and renames it to `<parent>/<name>` in one step. AlreadyExists when
  // that exists by now (the other one stays as it is).
  absl::Status Commit(std::string_view name) &&;

 private:
  explicit StagingDir(std::filesystem::path path) : path_(std::move(path)) {}

  std::filesystem::path path_;
};

// Makes `dir` if needed and removes what interrupted work has left there; what can't be removed
// stays, hidden from the store, and is tried again the next time. Only for the one owner of the
// folder, before any work starts in it.
absl::Status PrepareStoreDir(const std::filesystem::path& dir);

// Takes `<parent>/<name>` away in one step and then removes what was in it. NotFound when there is
// none.
absl::Status RemoveEntry(const std::filesystem::path& parent, std::string_view name);

// Writes a new file that only the work in progress reads: not durable.
absl::Status WriteScratchFile(const std::filesystem::path& path, std::string_view content);

}  // namespace ember::images
