#include "base/size.h"

#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember {
namespace {

TEST_CASE("a size is a whole number with a power-of-1024 unit", "[base][size]") {
  CHECK(testing::ValueOf(ParseSize("512M")) == 512 * kMiB);
  CHECK(testing::ValueOf(ParseSize("8g")) == 8 * kGiB);
  CHECK(testing::ValueOf(ParseSize("3KiB")) == 3072);
  CHECK(testing::ValueOf(ParseSize("1T")) == 1024 * kGiB);
}

TEST_CASE("a bare number is refused with the two sizes it could mean", "[base][size]") {
  CHECK(Message(ParseSize("512").status()) ==
        "bare number '512' requires a unit suffix (e.g., 512M or 512G)");
}

TEST_CASE("sizes that could be misread are refused", "[base][size]") {
  for (const char* text : {"", "M", "1.5G", "-1G", "0M", "5MB", "5GB", "5X",
                           "18446744073709551616K", "17179869184G"}) {
    INFO(text);
    CHECK(ParseSize(text).status().code() == absl::StatusCode::kInvalidArgument);
  }
}

TEST_CASE("a size is shown in the largest unit that divides it", "[base][size]") {
  CHECK(FormatSize(512 * kMiB) == "512M");
  CHECK(FormatSize(1536 * kMiB) == "1536M");
  CHECK(FormatSize(17) == "17B");
}

}  // namespace
}  // namespace ember
