#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace ember::cli {

// A data volume of a new VM, as somebody types it.
struct VolumeSpec {
  std::string name;
  std::string mount_path;  // absolute; empty: left to the guest
  bool read_only = false;
  uint64_t size_bytes = 0;  // it is made with this size where there is none of its name; 0: it must
                            // be there

  friend bool operator==(const VolumeSpec&, const VolumeSpec&) = default;
};

// "NAME=SIZE": a blank disk. InvalidArgument says what is expected; names are the daemon's to
// check.
absl::StatusOr<VolumeSpec> ParseDataDisk(std::string_view text);

// "NAME[=SIZE]:/path[:ro]": mounted before the guest's init runs.
absl::StatusOr<VolumeSpec> ParseVolumeSpec(std::string_view text);

}  // namespace ember::cli
