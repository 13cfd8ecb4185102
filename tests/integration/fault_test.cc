// Kills the daemon, or makes a step fail, at every named point of every verb (base/fault_point.h),
// and looks at what is left: nothing that a row does not explain, and the verb can be repeated.
#include <algorithm>
#include <iterator>
#include <string_view>

#include "tests/integration/fault_context.h"
#include "tests/integration/image_faults.h"
#include "tests/integration/kernel_faults.h"
#include "tests/support/catch.h"

namespace ember::testing {
namespace {

constexpr bool IsCovered(std::string_view point) {
  return std::any_of(std::begin(kCases), std::end(kCases),
                     [point](const Case& one) { return one.point == point; }) ||
         std::find(std::begin(kEveryVerb), std::end(kEveryVerb), point) != std::end(kEveryVerb) ||
         std::any_of(kImageCases.begin(), kImageCases.end(),
                     [point](const ImageCase& one) { return one.point == point; }) ||
         std::find(kKernelFaults.begin(), kKernelFaults.end(), point) != kKernelFaults.end();
}

// Every point of the sources has a case.
#define POINT(name) static_assert(IsCovered(name), "no case for fault point " name);
#include "fault_points.inc"
#undef POINT

// And every case has a point in the sources.
constexpr std::string_view kPoints[] = {
#define POINT(name) name,
#include "fault_points.inc"
#undef POINT
};
static_assert(std::all_of(std::begin(kCases), std::end(kCases), [](const Case& one) {
  return std::find(std::begin(kPoints), std::end(kPoints), one.point) != std::end(kPoints);
}));

TEST_CASE("a daemon killed at any point of a verb leaves nothing that no row explains",
          "[integration][faults]") {
  Counts counts;
  for (const Case& one : kCases) {
    if ((one.has_disk || NeedsDisk(one.verb)) && !PreparedState().has_value()) continue;
    CHECK(RunFaultCase(one, "KILL", 1, counts));
  }
  ReportFaults("crashes", std::size(kCases), counts);
  CHECK(counts.leftovers == 0);
}

TEST_CASE("an effect that fails is undone, and the verb can be repeated", "[integration][faults]") {
  Counts counts;
  size_t points = 0;
  for (const Case& one : kCases) {
    if (one.kind != Case::Kind::kFault) continue;
    if ((one.has_disk || NeedsDisk(one.verb)) && !PreparedState().has_value()) continue;
    ++points;
    for (const std::string_view what : {"ENOSPC", "EIO", "EMFILE", "LAUNCH"}) {
      CHECK(RunFaultCase(one, what, 1, counts));
    }
  }
  ReportFaults("failing effects", points, counts);
  CHECK(counts.leftovers == 0);
}

}  // namespace
}  // namespace ember::testing
