#include "backends/storage/disk_size.h"

#include <sys/stat.h>

#include <fstream>

#include "backends/storage/qcow2_overlay.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember::storage {
namespace {

using ember::testing::TempDir;
using ember::testing::ValueOf;

constexpr uint64_t kMiB = 1 << 20;

Cancellation Soon() { return Cancellation::After(absl::Seconds(30)); }

// A raw disk of 2 MiB, and an overlay over it.
struct Disks {
  Disks() {
    std::ofstream(raw) << "ember" << std::string(2 * kMiB - 5, 'x');
    overlay = ValueOf(CreateOverlay(raw, VolumeFormat::kRaw, {dir.path(), "over"}, 2 * kMiB)).path;
  }
  void CheckOverlay() const {
    REQUIRE_OK(RunToolForOutput({"qemu-img", "check", "-q", overlay}, Soon()).status());
  }

  TempDir dir;
  const std::filesystem::path raw = dir / "raw.img";
  std::filesystem::path overlay;
};

TEST_CASE("a raw disk grows sparse and keeps its content", "[storage][resize]") {
  const Disks disks;
  REQUIRE_OK(GrowDiskFile(disks.raw, VolumeFormat::kRaw, 1024 * kMiB, Soon()));
  CHECK(ValueOf(DiskSize(disks.raw, VolumeFormat::kRaw)) == 1024 * kMiB);
  struct stat status {};
  REQUIRE(stat(disks.raw.c_str(), &status) == 0);
  CHECK(static_cast<uint64_t>(status.st_blocks) * 512 < 4 * kMiB);
  std::string head(5, '\0');
  std::ifstream(disks.raw).read(head.data(), 5);
  CHECK(head == "ember");
}

TEST_CASE("an overlay grows beyond what its table holds", "[storage][resize]") {
  const Disks disks;
  // 512 MiB are one entry of the first table; 1 TiB needs another table.
  for (const uint64_t size : {512 * kMiB, 1024 * 1024 * kMiB}) {
    REQUIRE_OK(GrowDiskFile(disks.overlay, VolumeFormat::kQcow2, size, Soon()));
    CHECK(ValueOf(DiskSize(disks.overlay, VolumeFormat::kQcow2)) == size);
    disks.CheckOverlay();
  }
}

TEST_CASE("a disk that is as large or larger stays as it is", "[storage][resize]") {
  const Disks disks;
  REQUIRE_OK(GrowDiskFile(disks.raw, VolumeFormat::kRaw, kMiB, Soon()));
  CHECK(ValueOf(DiskSize(disks.raw, VolumeFormat::kRaw)) == 2 * kMiB);
  REQUIRE_OK(GrowDiskFile(disks.overlay, VolumeFormat::kQcow2, kMiB, Soon()));
  CHECK(ValueOf(DiskSize(disks.overlay, VolumeFormat::kQcow2)) == 2 * kMiB);
}

TEST_CASE("a disk that is not there, or is none, is an error", "[storage][resize]") {
  const Disks disks;
  CHECK(absl::IsNotFound(GrowDiskFile(disks.dir / "absent", VolumeFormat::kRaw, kMiB, Soon())));
  CHECK_FALSE(DiskSize(disks.raw, VolumeFormat::kQcow2).ok());
}

}  // namespace
}  // namespace ember::storage
