#pragma once

#include <filesystem>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace ember::storage {

// A file that is being made: removed when it is destroyed before Finish. Move-only. Not
// thread-safe.
class NewFile {
 public:
  // Makes `path` with mode 0600. AlreadyExists (and nothing removed later) when it is there.
  static absl::StatusOr<NewFile> Create(const std::filesystem::path& path);
  // The same with a name of its own in `dir`, starting with `prefix`.
  static absl::StatusOr<NewFile> CreateUnique(const std::filesystem::path& dir,
                                              std::string_view prefix);
  NewFile(NewFile&& other) noexcept;
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();

  int fd() const { return fd_.get(); }
  const std::filesystem::path& path() const { return path_; }
  // Puts the file on disk with its name, and lets it stay.
  absl::Status Finish();

 private:
  NewFile(std::filesystem::path path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  std::filesystem::path path_;
  UniqueFd fd_;
  bool kept_ = false;
};

}  // namespace ember::storage
