#include "backends/storage/usage.h"

#include <fcntl.h>
#include <unistd.h>

#include <fstream>

#include "backends/storage/file_extents.h"
#include "backends/storage/overlay_store.h"
#include "backends/storage/reflink_store.h"
#include "base/size.h"
#include "base/unique_fd.h"
#include "tests/support/loop_filesystem.h"
#include "tests/support/status_matchers.h"

namespace ember::storage {
namespace {

using ember::testing::LoopFilesystem;
using ember::testing::TempDir;
using ember::testing::ValueOf;

Cancellation Soon() { return Cancellation::After(absl::Seconds(30)); }
constexpr uint64_t kBlock = 4096;

// A file of `mib` MiB of data, on disk.
std::filesystem::path Write(const std::filesystem::path& path, uint64_t mib) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  const std::string piece(kMiB, 'x');
  for (uint64_t i = 0; i < mib; ++i) {
    REQUIRE(write(fd.get(), piece.data(), piece.size()) == static_cast<ssize_t>(piece.size()));
  }
  REQUIRE(fsync(fd.get()) == 0);
  return path;
}

void Overwrite(const std::filesystem::path& path, uint64_t offset, uint64_t size) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  const std::string piece(size, 'y');
  REQUIRE(pwrite(fd.get(), piece.data(), size, static_cast<off_t>(offset)) ==
          static_cast<ssize_t>(size));
  REQUIRE(fsync(fd.get()) == 0);
}

Usage Measure(const FileSet& files) { return MeasureFiles(files, Freshness::kSynced); }

TEST_CASE("a file without sharing is all its own", "[storage][usage]") {
  const std::string type = GENERATE("xfs", "btrfs", "ext4");
  LoopFilesystem filesystem(type, 400 * kMiB);
  if (!filesystem.mounted()) EMBER_SKIP(type + ": " + filesystem.why_not());
  const auto file = Write(filesystem.root() / "a", 3);
  std::filesystem::resize_file(file, kGiB);  // holes count nothing
  CHECK(Measure({{file}}) == Usage{3 * kMiB, 3 * kMiB});
  CHECK(QuickExclusiveBytes(file).value_or(0) == 3 * kMiB);
}

TEST_CASE("what a clone shares is referenced by both and exclusive to none", "[storage][usage]") {
  const std::string type = GENERATE("xfs", "btrfs");
  LoopFilesystem filesystem(type, 400 * kMiB);
  if (!filesystem.mounted()) EMBER_SKIP(type + ": " + filesystem.why_not());
  const auto source = Write(filesystem.root() / "source", 4);
  const auto clone =
      ValueOf(ReflinkStore().Clone(source, {filesystem.root(), "clone"}, 4 * kMiB, Soon())).path;
  CHECK(Measure({{source}}) == Usage{4 * kMiB, 0});
  CHECK(Measure({{clone}}) == Usage{4 * kMiB, 0});
  CHECK(QuickExclusiveBytes(clone) == uint64_t{0});
  // What is written afterwards is the clone's own.
  Overwrite(clone, kMiB, 2 * kMiB);
  CHECK(Measure({{clone}}) == Usage{4 * kMiB, 2 * kMiB});
  // A set that holds both has each block once.
  CHECK(Measure({{source, clone}}).referenced_bytes == 6 * kMiB);
}

TEST_CASE("what the source of a clone gives back is exact on XFS", "[storage][usage]") {
  LoopFilesystem xfs("xfs", 400 * kMiB);
  if (!xfs.mounted()) EMBER_SKIP(xfs.why_not());
  const auto source = Write(xfs.root() / "source", 4);
  const auto clone =
      ValueOf(ReflinkStore().Clone(source, {xfs.root(), "clone"}, 4 * kMiB, Soon())).path;
  Overwrite(clone, 0, 3 * kMiB);
  CHECK(Measure({{source}}) == Usage{4 * kMiB, 3 * kMiB});
}

TEST_CASE("an overlay's own allocation is exclusive, what it lies over is shared",
          "[storage][usage]") {
  LoopFilesystem ext4("ext4", 64 * kMiB);
  if (!ext4.mounted()) EMBER_SKIP(ext4.why_not());
  const auto image = Write(ext4.root() / "image", 4);
  const auto disk = ValueOf(OverlayStore().Clone(image, {ext4.root()}, 8 * kMiB, Soon())).path;
  const Usage own = Measure({{disk}});
  const Usage usage = Measure({{disk}, {image}});
  REQUIRE(usage.exclusive_bytes.has_value());
  CHECK(usage.exclusive_bytes == own.referenced_bytes);
  CHECK(*usage.referenced_bytes == 4 * kMiB + *own.referenced_bytes);
  CHECK(QuickExclusiveBytes(disk) == usage.exclusive_bytes);
}

TEST_CASE("a file with two names is nobody's own and counts once", "[storage][usage]") {
  LoopFilesystem ext4("ext4", 64 * kMiB);
  if (!ext4.mounted()) EMBER_SKIP(ext4.why_not());
  const auto one = Write(ext4.root() / "one", 2);
  const auto two = ext4.root() / "two";
  std::filesystem::create_hard_link(one, two);
  CHECK(Measure({{one, two}}) == Usage{2 * kMiB, 0});
  CHECK(QuickExclusiveBytes(one) == uint64_t{0});
}

TEST_CASE("what is not known is absent", "[storage][usage]") {
  TempDir dir;
  CHECK(Measure({{dir / "absent"}}) == Usage{});
  CHECK(Measure({}) == Usage{});
  CHECK_FALSE(QuickExclusiveBytes(dir / "absent").has_value());
  CHECK_FALSE(QuickExclusiveBytes("/proc/self/status").has_value());
}

TEST_CASE("a filesystem tells its capacity", "[storage][usage]") {
  LoopFilesystem xfs("xfs", 400 * kMiB);
  if (!xfs.mounted()) EMBER_SKIP(xfs.why_not());
  const PoolUsage before = ValueOf(MeasurePool(xfs.root()));
  CHECK(before.filesystem == "xfs");
  CHECK(before.capacity_bytes > 300 * kMiB);
  CHECK(before.allocated_bytes + before.free_bytes <= before.capacity_bytes);
  Write(xfs.root() / "a", 8);
  CHECK(ValueOf(MeasurePool(xfs.root())).allocated_bytes >= before.allocated_bytes + 8 * kMiB);
  CHECK(absl::IsNotFound(MeasurePool(xfs.root() / "absent").status()));
}

TEST_CASE("blocks that several extents have count once", "[storage][usage]") {
  CHECK(DistinctBytes({}) == 0);
  CHECK(DistinctBytes({{10, 5}, {10, 5}, {12, 5}, {30, 1}}) == 8);
  CHECK(DistinctBytes({{0, 100}, {10, 5}}) == 100);
  // Those without a place can't be the same.
  CHECK(DistinctBytes({{0, 7, false, false}, {0, 7, false, false}}) == 14);
}

TEST_CASE("more extents than one answer holds are all read", "[storage][usage]") {
  LoopFilesystem ext4("ext4", 64 * kMiB);
  if (!ext4.mounted()) EMBER_SKIP(ext4.why_not());
  const auto file = ext4.root() / "holey";
  const UniqueFd fd(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  const std::string block(kBlock, 'x');
  constexpr uint64_t kPieces = 1000;
  for (uint64_t i = 0; i < kPieces; ++i) {
    REQUIRE(pwrite(fd.get(), block.data(), kBlock, static_cast<off_t>(2 * i * kBlock)) ==
            static_cast<ssize_t>(kBlock));
  }
  REQUIRE(fsync(fd.get()) == 0);
  const auto extents = ValueOf(ReadExtents(fd.get(), ExtentSync::kYes));
  REQUIRE(extents.has_value());
  CHECK(extents->size() == kPieces);
  CHECK(DistinctBytes(*extents) == kPieces * kBlock);
}

}  // namespace
}  // namespace ember::storage
