#pragma once

#include <archive.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/images/entry.h"

namespace ember::images {

struct ArchiveWriteFree {
  void operator()(struct archive* archive) const { archive_write_free(archive); }
};
using ArchiveWriteHandle = std::unique_ptr<struct archive, ArchiveWriteFree>;

// Writes a tar archive (pax where ustar does not do) piece by piece to wherever `put` takes the
// bytes. The same entries make the same bytes. After an error it is of no use. Not thread-safe.
class TarWriter {
 public:
  using Put = std::function<absl::Status(std::string_view bytes)>;

  static absl::StatusOr<std::unique_ptr<TarWriter>> Create(Put put);

  // Adds an entry; of a file exactly entry.size_bytes must follow through Write.
  absl::Status Add(const Entry& entry);
  absl::Status Write(std::string_view bytes);

  // A file with its content.
  absl::Status AddFile(const std::string& path, std::string_view content);

  absl::Status Finish();

 private:
  explicit TarWriter(Put put) : put_(std::move(put)) {}

  static la_ssize_t PutBytes(struct archive* archive, void* self, const void* bytes, size_t size);
  absl::Status Failed() const;

  const Put put_;
  absl::Status put_status_;
  ArchiveWriteHandle archive_;
};

}  // namespace ember::images
