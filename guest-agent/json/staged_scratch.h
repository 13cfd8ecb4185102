#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/cancellation.h"
#include "base/unique_fd.h"

namespace ember::agent {

// The scratch files of a checkpoint, in a directory of their own under /tmp until they are put
// back. Not thread-safe.
class StagedScratch {
 public:
  explicit StagedScratch(const std::string& checkpoint_id);
  // Removes what has not been put back.
  ~StagedScratch();
  StagedScratch(const StagedScratch&) = delete;
  StagedScratch& operator=(const StagedScratch&) = delete;

  // Copies `paths` from the directory of a checkpoint.
  absl::Status Fill(int checkpoint, const std::vector<std::string>& paths,
                    const Cancellation& cancellation);
  // Removes the files that `globs` match, then puts the staged ones where they were. Each is there
  // in one step.
  absl::Status PutBack(const std::vector<std::string>& globs);

  uint64_t count() const { return files_.size(); }

 private:
  // One file: the components of its path below /tmp; it is staged under its number.
  using Components = std::vector<std::string>;

  absl::Status Stage(int checkpoint, Components components, const Cancellation& cancellation);
  absl::Status Place(size_t number);

  const std::string name_;
  UniqueFd root_;
  UniqueFd folder_;
  std::vector<Components> files_;
};

}  // namespace ember::agent
