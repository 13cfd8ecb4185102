#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "backends/images/archive_handle.h"
#include "backends/images/byte_stream.h"
#include "backends/images/sha256.h"

namespace ember::images {

// The archive in a layer's blob, unpacked on the way: gzip, zstd or plain, told by its first bytes.
// All that passes is hashed. Errors name the layer. Not thread-safe.
class LayerStream final : public ByteStream {
 public:
  static absl::StatusOr<std::unique_ptr<LayerStream>> Open(const std::filesystem::path& blob,
                                                           std::string name);

  absl::StatusOr<std::string_view> Next() override;
  uint64_t bytes_read() const override;

  // Reads what is left behind the archive's end (padding; InvalidArgument when it is too much for
  // that) and answers whether all that passed has this digest: DataLoss when not.
  absl::Status Verify(const std::string& diff_id);

 private:
  LayerStream(std::string name, ArchiveReadHandle reader)
      : name_(std::move(name)), reader_(std::move(reader)) {}

  absl::Status Failed() const;

  const std::string name_;
  ArchiveReadHandle reader_;
  Sha256 sha_;
};

}  // namespace ember::images
