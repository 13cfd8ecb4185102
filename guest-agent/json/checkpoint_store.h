#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "base/cancellation.h"
#include "base/unique_fd.h"

namespace ember::agent {

// The directory that holds checkpoints, one a directory named by its id. Whoever has it open is
// alone with it. Not thread-safe.
class CheckpointStore {
 public:
  enum class IfMissing { kMake, kFail };

  // Waits until nobody else has it open. `path` is absolute, without "..".
  static absl::StatusOr<CheckpointStore> Open(const std::string& path, IfMissing if_missing,
                                              const Cancellation& cancellation);

  int folder() const { return folder_.get(); }
  // InvalidArgument when one of it and the workspace lies within the other.
  absl::Status CheckApart(const std::string& workspace) const;
  // Removes what checkpoints left behind that were not finished.
  absl::Status RemoveLeftovers(const Cancellation& cancellation) const;
  // Of the files of all checkpoints.
  absl::StatusOr<uint64_t> UsedBytes(const Cancellation& cancellation) const;

  // The name that a checkpoint has until it is complete.
  static std::string StagingName(const std::string& id);

 private:
  std::string path_;  // resolved
  UniqueFd folder_;
  UniqueFd lock_;
};

// "cp-<seconds>-<8 hex digits>".
absl::StatusOr<std::string> NewCheckpointId();

// InvalidArgument unless it is made of A-Z, a-z, 0-9, '.', '_' and '-', without ".." and without a
// '.' at the front.
absl::Status CheckCheckpointId(const std::string& id);

}  // namespace ember::agent
