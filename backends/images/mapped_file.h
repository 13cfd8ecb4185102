#pragma once

#include <filesystem>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"

namespace ember::images {

// A regular file's bytes, mapped to read. Move-only; the bytes live as long as this does. Somebody
// who cuts the file short meanwhile can crash the reader (SIGBUS): only for files of our own or of
// the administrator.
class MappedFile {
 public:
  // FailedPrecondition for what is no regular file.
  static absl::StatusOr<MappedFile> Open(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  MappedFile& operator=(MappedFile&&) = delete;
  ~MappedFile();

  std::string_view bytes() const { return bytes_; }

 private:
  explicit MappedFile(std::string_view bytes) : bytes_(bytes) {}

  std::string_view bytes_;
};

}  // namespace ember::images
