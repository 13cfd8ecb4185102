#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "backends/images/oci/blob_store.h"
#include "backends/images/oci/manifest.h"
#include "backends/images/progress.h"
#include "base/cancellation.h"

namespace ember::images {

// Looks at the folders that skopeo fills while it copies: takes each blob into the store as soon as
// it is complete, reports how far it is, and notices when nothing arrives any more. Not
// thread-safe.
class BlobWatch {
 public:
  struct Folders {
    std::filesystem::path blobs;    // <blobs>/sha256/<hex> when complete
    std::filesystem::path layout;   // files that grow until then
    std::filesystem::path scratch;  // for names in between
  };

  // `wanted` are the blobs that the store lacks. `cancellation` ends the hashing of a large one.
  BlobWatch(const BlobStore& store, Folders folders, std::vector<Descriptor> wanted,
            absl::Duration stall, const ProgressSink& sink, const Cancellation& cancellation);

  // To be called often. DeadlineExceeded when nothing has arrived for `stall`, DataLoss for a blob
  // that is not what its name says.
  absl::Status Look();

  // Takes in what is complete, now.
  absl::Status TakeIn();

  // The patience starts anew.
  void Restart();

  size_t missing() const { return wanted_.size(); }

 private:
  absl::Status Adopt(const Descriptor& blob);
  uint64_t BytesUnderWay() const;
  void Tell(uint64_t under_way);

  const BlobStore store_;
  const Folders folders_;
  std::vector<Descriptor> wanted_;  // not in the store yet
  const absl::Duration stall_;
  const ProgressSink& sink_;
  const Cancellation cancellation_;
  uint64_t total_ = 0;
  uint64_t taken_ = 0;  // bytes of blobs that have arrived
  uint64_t seen_ = 0;   // bytes at the last change
  Deadline next_look_;
  Deadline patience_;
};

}  // namespace ember::images
