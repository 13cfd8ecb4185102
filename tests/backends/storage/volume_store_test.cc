#include "backends/storage/volume_store.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <fstream>

#include "backends/storage/overlay_store.h"
#include "backends/storage/reflink_store.h"
#include "base/file.h"
#include "tests/support/loop_filesystem.h"
#include "tests/support/status_matchers.h"

namespace ember::storage {
namespace {

using ember::testing::LoopFilesystem;
using ember::testing::TempDir;
using ember::testing::ValueOf;

constexpr uint64_t kMiB = 1 << 20;

Cancellation Soon() { return Cancellation::After(absl::Seconds(30)); }

// Images and volumes next to each other in one filesystem, with an image of 2 MiB that starts with
// the word "ember".
struct Folders {
  explicit Folders(const std::filesystem::path& root)
      : images(root / "images"), volumes(root / "volumes"), image(images / "base.img") {
    std::filesystem::create_directories(images);
    std::filesystem::create_directories(volumes);
    std::ofstream(image) << "ember" << std::string(2 * kMiB - 5, 'x');
  }

  size_t VolumeFiles() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(volumes),
                                             std::filesystem::directory_iterator()));
  }

  std::filesystem::path images;
  std::filesystem::path volumes;
  std::filesystem::path image;
};

std::string GuestView(const Volume& volume) {
  const auto out = RunToolForOutput(
      {"qemu-img", "dd", "-f", volume.format == VolumeFormat::kRaw ? "raw" : "qcow2", "-O", "raw",
       "bs=512", "count=1", "if=" + volume.path.native(), "of=" + volume.path.native() + ".view"},
      Soon());
  REQUIRE_OK(out);
  std::string view = ValueOf(ReadFile(volume.path.native() + ".view"));
  std::filesystem::remove(volume.path.native() + ".view");
  return view.substr(0, 5);
}

uint64_t GuestSize(const Volume& volume) {
  const std::string out =
      ValueOf(RunToolForOutput({"qemu-img", "info", "--output=json", volume.path}, Soon()));
  const size_t at = out.find("\"virtual-size\": ");
  REQUIRE(at != std::string::npos);
  return std::stoull(out.substr(at + 16));
}

// Leaves no free block: what a delayed allocation had set aside is free again after a sync.
void FillUp(const std::filesystem::path& root) {
  for (const char* name : {"ballast-1", "ballast-2", "ballast-3"}) {
    const UniqueFd fd(open((root / name).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    for (const size_t size : {size_t{65536}, size_t{1024}}) {
      const std::string block(size, 'b');
      while (write(fd.get(), block.data(), size) > 0) {
      }
    }
    syncfs(fd.get());
  }
}

TEST_CASE("an overlay shows the image's content at the size asked for", "[storage][overlay]") {
  TempDir dir;
  const Folders folders(dir / "with,comma and blank");
  const Volume volume =
      ValueOf(OverlayStore().Clone(folders.image, {folders.volumes}, 64 * kMiB, Soon()));
  CHECK(volume == Volume{folders.volumes / "disk.qcow2", VolumeFormat::kQcow2, 64 * kMiB});
  CHECK(GuestView(volume) == "ember");
  CHECK(GuestSize(volume) == 64 * kMiB);
  REQUIRE_OK(RemoveVolume(volume));
  CHECK(folders.VolumeFiles() == 0);
  REQUIRE_OK(RemoveVolume(volume));
}

TEST_CASE("a disk smaller than its image is refused and leaves nothing", "[storage]") {
  TempDir dir;
  const Folders folders(dir.path());
  OverlayStore overlay;
  ReflinkStore reflink;
  for (VolumeStore* store :
       {static_cast<VolumeStore*>(&overlay), static_cast<VolumeStore*>(&reflink)}) {
    const auto small = store->Clone(folders.image, {folders.volumes}, kMiB, Soon());
    CHECK(absl::IsInvalidArgument(small.status()));
    const auto odd = store->Clone(folders.image, {folders.volumes}, 3 * kMiB + 1, Soon());
    CHECK(absl::IsInvalidArgument(odd.status()));
    const auto absent = store->Clone(dir / "absent", {folders.volumes}, 3 * kMiB, Soon());
    CHECK(absl::IsNotFound(absent.status()));
    const auto folder = store->Clone(dir.path(), {folders.volumes}, 3 * kMiB, Soon());
    CHECK(absl::IsInvalidArgument(folder.status()));
    CHECK(folders.VolumeFiles() == 0);
  }
}

TEST_CASE("a disk that exists is neither overwritten nor removed", "[storage]") {
  TempDir dir;
  const Folders folders(dir.path());
  std::ofstream(folders.volumes / "disk.qcow2") << "precious";
  const auto clone = OverlayStore().Clone(folders.image, {folders.volumes}, 4 * kMiB, Soon());
  CHECK(absl::IsAlreadyExists(clone.status()));
  CHECK(ValueOf(ReadFile(folders.volumes / "disk.qcow2")) == "precious");
}

TEST_CASE("a cancelled clone leaves nothing", "[storage]") {
  TempDir dir;
  const Folders folders(dir.path());
  std::stop_source stop;
  stop.request_stop();
  const Cancellation cancelled{stop.get_token(), {}};
  CHECK_FALSE(OverlayStore().Clone(folders.image, {folders.volumes}, 4 * kMiB, cancelled).ok());
  CHECK_FALSE(ReflinkStore().Clone(folders.image, {folders.volumes}, 4 * kMiB, cancelled).ok());
  CHECK(folders.VolumeFiles() == 0);
}

TEST_CASE("a reflink where the filesystem has none is refused and leaves nothing", "[storage]") {
  LoopFilesystem ext4("ext4", 64 * kMiB);
  if (!ext4.mounted()) EMBER_SKIP(ext4.why_not());
  const Folders folders(ext4.root());
  CHECK(ValueOf(ChooseVolumeStore(folders.images, folders.volumes))->name() == "overlay");
  const auto clone = ReflinkStore().Clone(folders.image, {folders.volumes}, 4 * kMiB, Soon());
  CHECK(absl::IsFailedPrecondition(clone.status()));
  CHECK(folders.VolumeFiles() == 0);
}

TEST_CASE("a clone shares blocks and stays apart where the filesystem can", "[storage][reflink]") {
  const std::string type = GENERATE("xfs", "btrfs");
  LoopFilesystem filesystem(type, 400 * kMiB);
  if (!filesystem.mounted()) EMBER_SKIP(type + ": " + filesystem.why_not());
  const Folders folders(filesystem.root());
  const auto store = ValueOf(ChooseVolumeStore(folders.images, folders.volumes));
  REQUIRE(store->name() == "reflink");
  CHECK(folders.VolumeFiles() == 0);
  const Volume volume =
      ValueOf(store->Clone(folders.image, {folders.volumes}, uint64_t{8} << 30, Soon()));
  CHECK(volume == Volume{folders.volumes / "disk.img", VolumeFormat::kRaw, uint64_t{8} << 30});
  CHECK(std::filesystem::file_size(volume.path) == uint64_t{8} << 30);
  struct stat info;
  REQUIRE(stat(volume.path.c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0600);
  std::fstream(volume.path, std::ios::in | std::ios::out) << "other";
  CHECK(ValueOf(ReadFile(folders.image)).substr(0, 5) == "ember");
}

TEST_CASE("images on another filesystem than the volumes are overlaid", "[storage]") {
  LoopFilesystem xfs("xfs", 400 * kMiB);
  if (!xfs.mounted()) EMBER_SKIP(xfs.why_not());
  TempDir dir;
  CHECK(ValueOf(ChooseVolumeStore(xfs.root(), dir.path()))->name() == "overlay");
}

TEST_CASE("a full disk is said so and leaves nothing", "[storage]") {
  LoopFilesystem ext4("ext4", 16 * kMiB);
  if (!ext4.mounted()) EMBER_SKIP(ext4.why_not());
  const Folders folders(ext4.root());
  FillUp(ext4.root());
  const auto clone = OverlayStore().Clone(folders.image, {folders.volumes}, 4 * kMiB, Soon());
  INFO(clone.status().ToString());
  CHECK(absl::IsResourceExhausted(clone.status()));
  CHECK(folders.VolumeFiles() == 0);
}

TEST_CASE("a folder for volumes that is not there is an error", "[storage]") {
  TempDir dir;
  CHECK(absl::IsNotFound(ChooseVolumeStore(dir.path(), dir / "absent").status()));
}

}  // namespace
}  // namespace ember::storage
