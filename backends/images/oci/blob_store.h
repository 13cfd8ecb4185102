#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/cancellation.h"

namespace ember::images {

// InvalidArgument, naming the text, unless it is "sha256:" and 64 hexadecimal digits. Anything that
// passes is safe as a part of a path.
absl::Status CheckDigest(std::string_view digest);

// The first 12 digits, by which people know a blob.
std::string ShortDigest(std::string_view digest);

struct Blob {
  std::string digest;
  uint64_t size_bytes = 0;

  friend bool operator==(const Blob&, const Blob&) = default;
};

// Content-addressed files, <dir>/blobs/sha256/<hex>, as an OCI image layout has them: the blobs of
// many images, each once. A file is there whole, verified and durable, or not at all. Holds nothing
// but the path, so copies are the same store. Thread-safe: it changes the folder by renames.
class BlobStore {
 public:
  // Makes the folders if needed.
  static absl::StatusOr<BlobStore> Open(const std::filesystem::path& dir);

  // Where the blob is or would be. `digest` must have passed CheckDigest.
  std::filesystem::path Path(std::string_view digest) const;
  bool Has(std::string_view digest) const;

  // Takes a file of the same filesystem in; `file` is gone afterwards. DataLoss when its content
  // has another digest (the file stays). A blob that is there already stays.
  absl::Status Put(const std::filesystem::path& file, std::string_view digest,
                   const Cancellation& cancellation) const;

  // Stores bytes and answers their digest.
  absl::StatusOr<std::string> PutBytes(std::string_view bytes) const;

  // The content of a small blob (a manifest, a config), verified. NotFound when it is missing,
  // DataLoss when it is damaged, ResourceExhausted when it is larger than `max_bytes`.
  absl::StatusOr<std::string> Read(std::string_view digest, uint64_t max_bytes) const;

  // An absent one is OK.
  absl::Status Remove(std::string_view digest) const;

  // By digest.
  absl::StatusOr<std::vector<Blob>> List() const;

 private:
  explicit BlobStore(std::filesystem::path folder) : folder_(std::move(folder)) {}

  std::filesystem::path folder_;  // <dir>/blobs/sha256
};

}  // namespace ember::images
