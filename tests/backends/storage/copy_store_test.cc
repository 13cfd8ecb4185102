#include "backends/storage/copy_store.h"

#include <sys/stat.h>

#include <fstream>

#include "base/size.h"
#include "tests/support/loop_filesystem.h"
#include "tests/support/status_matchers.h"

namespace ember::storage {
namespace {

using ember::testing::LoopFilesystem;
using ember::testing::TempDir;
using ember::testing::ValueOf;

Cancellation Soon() { return Cancellation::After(absl::Seconds(30)); }

// A file of 64 MiB that holds 1 MiB at its start, a word in the middle and a hole at the end.
std::filesystem::path SparseFile(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "base.img";
  std::fstream file(path, std::ios::out | std::ios::trunc);
  file << std::string(kMiB, 'a');
  file.seekp(32 * kMiB);
  file << "middle";
  file.close();
  std::filesystem::resize_file(path, 64 * kMiB);
  return path;
}

uint64_t Allocated(const std::filesystem::path& path) {
  struct stat about;
  REQUIRE(stat(path.c_str(), &about) == 0);
  return static_cast<uint64_t>(about.st_blocks) * 512;
}

std::string BytesAt(const std::filesystem::path& path, uint64_t offset, size_t size) {
  std::ifstream file(path);
  file.seekg(static_cast<std::streamoff>(offset));
  std::string bytes(size, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(size));
  return bytes;
}

TEST_CASE("a copy has the content, the size asked for and the holes", "[storage][copy]") {
  TempDir dir;
  const auto source = SparseFile(dir.path());
  const Volume clone = ValueOf(CopyStore().Clone(source, {dir.path()}, 128 * kMiB, Soon()));
  CHECK(clone == Volume{dir / "disk.img", VolumeFormat::kRaw, 128 * kMiB});
  CHECK(std::filesystem::file_size(clone.path) == 128 * kMiB);
  CHECK(BytesAt(clone.path, kMiB - 2, 4) == std::string("aa\0\0", 4));
  CHECK(BytesAt(clone.path, 32 * kMiB, 6) == "middle");
  CHECK(BytesAt(clone.path, 64 * kMiB, 4) == std::string(4, '\0'));
  CHECK(Allocated(clone.path) < 2 * kMiB);
  std::fstream(clone.path, std::ios::in | std::ios::out) << "other";
  CHECK(BytesAt(source, 0, 5) == "aaaaa");
}

TEST_CASE("a file of nothing but a hole is copied as one", "[storage][copy]") {
  TempDir dir;
  std::ofstream(dir / "hole");
  std::filesystem::resize_file(dir / "hole", kMiB);
  const Volume clone = ValueOf(CopyStore().Clone(dir / "hole", {dir.path()}, kMiB, Soon()));
  CHECK(std::filesystem::file_size(clone.path) == kMiB);
  CHECK(Allocated(clone.path) == 0);
}

TEST_CASE("a copy to another filesystem works", "[storage][copy]") {
  LoopFilesystem ext4("ext4", 64 * kMiB);
  if (!ext4.mounted()) EMBER_SKIP(ext4.why_not());
  TempDir dir;
  const Volume clone =
      ValueOf(CopyStore().Clone(SparseFile(dir.path()), {ext4.root()}, 64 * kMiB, Soon()));
  CHECK(BytesAt(clone.path, 32 * kMiB, 6) == "middle");
  CHECK(Allocated(clone.path) < 2 * kMiB);
}

TEST_CASE("a copy that is cancelled or meets a full disk leaves nothing", "[storage][copy]") {
  TempDir dir;
  const auto source = SparseFile(dir.path());
  std::stop_source stop;
  stop.request_stop();
  const absl::Status cancelled =
      CopyStore().Clone(source, {dir.path()}, 64 * kMiB, {stop.get_token(), {}}).status();
  CHECK(absl::IsCancelled(cancelled));
  CHECK_FALSE(std::filesystem::exists(dir / "disk.img"));

  LoopFilesystem ext4("ext4", 16 * kMiB);
  if (!ext4.mounted()) EMBER_SKIP(ext4.why_not());
  std::ofstream(dir / "large") << std::string(24 * kMiB, 'x');
  const absl::Status full =
      CopyStore().Clone(dir / "large", {ext4.root()}, 24 * kMiB, Soon()).status();
  INFO(full.ToString());
  CHECK(absl::IsResourceExhausted(full));
  CHECK_FALSE(std::filesystem::exists(ext4.root() / "disk.img"));
}

TEST_CASE("that clones are full copies is told once", "[storage][copy]") {
  TempDir dir;
  int told = 0;
  CopyStore store([&told] { ++told; });
  CHECK(told == 0);
  const auto source = SparseFile(dir.path());
  REQUIRE_OK(store.Clone(source, {dir.path(), "one"}, 64 * kMiB, Soon()));
  REQUIRE_OK(store.Clone(source, {dir.path(), "two"}, 64 * kMiB, Soon()));
  CHECK(told == 1);
}

TEST_CASE("the store is chosen by filesystem and by what the backend reads", "[storage][copy]") {
  LoopFilesystem ext4("ext4", 64 * kMiB);
  if (!ext4.mounted()) EMBER_SKIP(ext4.why_not());
  const auto choose = [](const auto& root, DiskFormats formats) {
    return std::string(ValueOf(ChooseVolumeStore(root, root, {formats}))->name());
  };
  CHECK(choose(ext4.root(), DiskFormats::kRawOnly) == "copy");
  CHECK(choose(ext4.root(), DiskFormats::kRawAndQcow2) == "overlay");
  LoopFilesystem xfs("xfs", 400 * kMiB);
  if (!xfs.mounted()) EMBER_SKIP(xfs.why_not());
  CHECK(choose(xfs.root(), DiskFormats::kRawOnly) == "reflink");
}

}  // namespace
}  // namespace ember::storage
