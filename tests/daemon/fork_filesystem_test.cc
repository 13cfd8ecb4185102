// Forks on real file systems: what each of them can, how long a fork takes in the daemon, and how
// much of the disk a hundred of them take.
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/size.h"
#include "tests/daemon/fork_context.h"
#include "tests/support/catch.h"
#include "tests/support/loop_filesystem.h"
#include "tests/support/status_matchers.h"

namespace ember::daemon {
namespace {

using testing::LoopFilesystem;
using testing::ValueOf;

uint64_t UsedBytes(const std::filesystem::path& root) {
  ::sync();
  struct statvfs info;
  REQUIRE(statvfs(root.c_str(), &info) == 0);
  return (info.f_blocks - info.f_bfree) * info.f_frsize;
}

TEST_CASE("a hundred forks of one disk take a fraction of it, whatever its size",
          "[daemon][fork][filesystem]") {
  constexpr int kForks = 100;
  const std::string type = GENERATE("xfs", "btrfs", "ext4");
  const uint64_t size = GENERATE(8 * kGiB, 64 * kGiB);
  LoopFilesystem filesystem(type, 2 * kGiB);
  if (!filesystem.mounted()) EMBER_SKIP(type + ": " + filesystem.why_not());
  ForkContext context(filesystem.root() / "s");
  context.MakeSource("source", size);
  for (uint64_t mib = 0; mib < 64; ++mib) context.Write("source", 'a', 100 + mib);
  const uint64_t before = UsedBytes(filesystem.root());
  std::vector<absl::Duration> times;
  for (int i = 0; i < kForks; ++i) {
    const absl::Time begin = absl::Now();
    REQUIRE_OK(context.Fork("source", fmt::format("fork-{}", i)));
    times.push_back(absl::Now() - begin);
  }
  const uint64_t used = UsedBytes(filesystem.root()) - before;
  std::sort(times.begin(), times.end());
  WARN(fmt::format("{} {} GiB: p50 {:.2f} ms, p99 {:.2f} ms, {} forks take {:.2f} MiB", type,
                   size / kGiB, absl::ToDoubleMilliseconds(times[kForks / 2]),
                   absl::ToDoubleMilliseconds(times[kForks - 1]), kForks,
                   static_cast<double>(used) / kMiB));
  CHECK(used < 64 * kMiB);
  CHECK(context.Reads("fork-99", 'a', 163));
  CHECK(context.LayerFiles().size() == (type == "ext4" ? 1 : 0));
}

}  // namespace
}  // namespace ember::daemon
