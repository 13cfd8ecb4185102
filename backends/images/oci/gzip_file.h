#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/images/oci/tar_writer.h"
#include "backends/images/sha256.h"
#include "base/unique_fd.h"

namespace ember::images {

// A new file that takes bytes and holds them packed by gzip; the same bytes make the same file.
// After an error it is of no use, and the file is the caller's to remove. Not thread-safe.
class GzipFile {
 public:
  struct Written {
    std::string digest;
    uint64_t size_bytes = 0;
  };

  static absl::StatusOr<std::unique_ptr<GzipFile>> Create(const std::filesystem::path& path);

  absl::Status Write(std::string_view bytes);

  // Nothing may follow.
  absl::StatusOr<Written> Finish();

 private:
  GzipFile(std::filesystem::path path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  static la_ssize_t PutBytes(struct archive* archive, void* self, const void* bytes, size_t size);
  absl::Status Failed() const;

  const std::filesystem::path path_;
  UniqueFd fd_;
  Sha256 sha_;
  uint64_t size_bytes_ = 0;
  absl::Status put_status_;
  ArchiveWriteHandle archive_;
};

}  // namespace ember::images
