#include "cli/volume_spec.h"

#include "base/size.h"
#include "base/status.h"
#include "tests/support/status_matchers.h"

namespace ember::cli {
namespace {

using testing::ValueOf;

TEST_CASE("a volume is a name, perhaps a size, and a path", "[cli][volume]") {
  CHECK(ValueOf(ParseVolumeSpec("data:/srv")) == VolumeSpec{"data", "/srv", false, 0});
  CHECK(ValueOf(ParseVolumeSpec("data=10G:/srv:ro")) ==
        VolumeSpec{"data", "/srv", true, 10 * kGiB});
  CHECK(ValueOf(ParseVolumeSpec("data:/srv:rw")) == VolumeSpec{"data", "/srv", false, 0});
  CHECK(ValueOf(ParseDataDisk("scratch=512M")) == VolumeSpec{"scratch", "", false, 512 * kMiB});
}

TEST_CASE("what is no volume says what would be one", "[cli][volume]") {
  for (const char* bad : {"", "data", ":/srv", "data:srv", "data:", "data:/a:/b", "data:/a:ro:ro",
                          "data=10:/srv", "data=:/srv", "=1G:/srv"}) {
    INFO(bad);
    CHECK(absl::IsInvalidArgument(ParseVolumeSpec(bad).status()));
  }
  CHECK(HintOf(ParseVolumeSpec("data").status()).has_value());
  for (const char* bad : {"", "8G", "data=", "=8G", "data=8", "data=8GB"}) {
    INFO(bad);
    CHECK(absl::IsInvalidArgument(ParseDataDisk(bad).status()));
  }
}

}  // namespace
}  // namespace ember::cli
