#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/status.h"
#include "cli/volume_spec.h"

namespace {

void Check(const absl::StatusOr<ember::cli::VolumeSpec>& spec) {
  if (!spec.ok()) {
    EMBER_CHECK(absl::IsInvalidArgument(spec.status()));
    return;
  }
  EMBER_CHECK(!spec->name.empty());
  EMBER_CHECK(spec->name.find_first_of("=:") == std::string::npos || spec->mount_path.empty());
  EMBER_CHECK(spec->mount_path.empty() || spec->mount_path.front() == '/');
  EMBER_CHECK(spec->mount_path.find(':') == std::string::npos);
}

}  // namespace

// What somebody types for a volume never leads to a path that is none.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  Check(ember::cli::ParseVolumeSpec(text));
  Check(ember::cli::ParseDataDisk(text));
  return 0;
}
