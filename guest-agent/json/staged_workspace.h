#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "base/cancellation.h"
#include "guest-agent/json/allowed_path.h"
#include "guest-agent/json/manifest.h"

namespace ember::agent {

// A restored workspace beside the live one, until it takes its place. Not thread-safe.
class StagedWorkspace {
 public:
  // `live` outlives the object.
  explicit StagedWorkspace(const AllowedPath& live);
  // Removes what lies beside the live one: what was staged, or after Swap what was live.
  ~StagedWorkspace();
  StagedWorkspace(const StagedWorkspace&) = delete;
  StagedWorkspace& operator=(const StagedWorkspace&) = delete;

  // Makes it from the directory of a checkpoint; how many entries it has.
  absl::StatusOr<uint64_t> Fill(int checkpoint, WorkspaceMethod method,
                                const Cancellation& cancellation);
  // Puts it in the place of the live one, if there is one. After an error that is as it was.
  absl::Status Swap();

 private:
  absl::StatusOr<uint64_t> Copy(int checkpoint, const Cancellation& cancellation);
  absl::Status SwapInSteps();

  const AllowedPath& live_;
  const std::string name_;
};

}  // namespace ember::agent
