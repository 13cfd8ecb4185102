#include "backends/storage/qcow2_overlay.h"

#include <sys/stat.h>

#include <fstream>

#include "backends/storage/layer_files.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember::storage {
namespace {

using ember::testing::TempDir;
using ember::testing::ValueOf;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;

Cancellation Soon() { return Cancellation::After(absl::Seconds(30)); }

std::string Tool(std::vector<std::string> argv) {
  return ValueOf(RunToolForOutput(std::move(argv), Soon()));
}

void Write(const Volume& volume, char byte, uint64_t offset, uint64_t size) {
  const std::string_view format = VolumeFormatName(volume.format);
  Tool({"qemu-io", "-f", std::string(format), "-c",
        fmt::format("write -q -P {} {} {}", static_cast<int>(byte), offset, size), volume.path});
}

// Whether QEMU reads `byte` all over this place.
bool Reads(const Volume& volume, char byte, uint64_t offset, uint64_t size) {
  const std::string_view format = VolumeFormatName(volume.format);
  const std::string out =
      Tool({"qemu-io", "-r", "-f", std::string(format), "-c",
            fmt::format("read -q -P {} {} {}", static_cast<int>(byte), offset, size), volume.path});
  return out.find("failed") == std::string::npos;
}

// An image of 2 MiB full of 'x', and a folder for disks.
struct Folders {
  Folders() : image(dir / "base.img"), disks(dir / "disks") {
    std::filesystem::create_directories(disks);
    std::ofstream(image) << std::string(2 * kMiB, 'x');
  }
  Volume Overlay(std::string stem, uint64_t size_bytes = 8 * kGiB) const {
    return ValueOf(CreateOverlay(image, VolumeFormat::kRaw, {disks, std::move(stem)}, size_bytes));
  }

  TempDir dir;
  std::filesystem::path image;
  std::filesystem::path disks;
};

TEST_CASE("QEMU finds nothing wrong with an overlay of any size", "[storage][qcow2]") {
  const Folders folders;
  for (const uint64_t size :
       {2 * kMiB, 512 * kMiB, 512 * kMiB + 512, 8 * kGiB, 5 * 1024 * kGiB, 1024 * 1024 * kGiB}) {
    INFO(size);
    const Volume disk = folders.Overlay(fmt::format("disk-{}", size), size);
    Tool({"qemu-img", "check", "-q", "-f", "qcow2", disk.path});
    const std::string info = Tool({"qemu-img", "info", "--output=json", disk.path});
    CHECK(info.find(fmt::format("\"virtual-size\": {}", size)) != std::string::npos);
    CHECK(info.find("\"backing-filename-format\": \"raw\"") != std::string::npos);
    struct stat file;
    REQUIRE(stat(disk.path.c_str(), &file) == 0);
    CHECK(file.st_blocks * 512 <= 64 * 1024);
    CHECK((file.st_mode & 07777) == 0600);
  }
}

TEST_CASE("QEMU reads the image through an overlay, and writes beside it", "[storage][qcow2]") {
  const Folders folders;
  const Volume disk = folders.Overlay("disk");
  CHECK(Reads(disk, 'x', 0, 2 * kMiB));
  CHECK(Reads(disk, '\0', 4 * kGiB, kMiB));  // behind the end of the image
  Write(disk, 'y', kMiB, 64 * 1024);
  Write(disk, 'z', 7 * kGiB, kMiB);
  CHECK(Reads(disk, 'x', 0, kMiB));
  CHECK(Reads(disk, 'y', kMiB, 64 * 1024));
  CHECK(Reads(disk, 'z', 7 * kGiB, kMiB));
  Tool({"qemu-img", "check", "-q", "-f", "qcow2", disk.path});
  CHECK(ValueOf(ReadFile(folders.image)) == std::string(2 * kMiB, 'x'));
}

TEST_CASE("an overlay is untouched until something is written to it", "[storage][qcow2]") {
  const Folders folders;
  const Volume disk = folders.Overlay("disk");
  CHECK(ValueOf(IsUntouched(disk.path)));
  const Qcow2Header header = ValueOf(ReadQcow2Header(disk.path));
  CHECK(header.backing == folders.image);
  CHECK(header.backing_format == VolumeFormat::kRaw);
  CHECK(header.size_bytes == 8 * kGiB);
  SECTION("a write") { Write(disk, 'y', 5 * kGiB, 512); }
  SECTION("a snapshot of QEMU's own") { Tool({"qemu-img", "snapshot", "-c", "kept", disk.path}); }
  CHECK_FALSE(ValueOf(IsUntouched(disk.path)));
}

TEST_CASE("what QEMU makes itself is read too", "[storage][qcow2]") {
  const Folders folders;
  const std::filesystem::path path = folders.disks / "theirs.qcow2";
  Tool({"qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", folders.image, path, "3G"});
  CHECK(ValueOf(IsUntouched(path)));
  const Qcow2Header header = ValueOf(ReadQcow2Header(path));
  CHECK(header.backing == folders.image);
  CHECK(header.backing_format == VolumeFormat::kRaw);
  Tool({"qemu-img", "resize", "-q", path, "2T"});
  CHECK(ValueOf(ReadQcow2Header(path)).size_bytes == 2048 * kGiB);
  CHECK(ValueOf(IsUntouched(path)));
}

TEST_CASE("an overlay that can't be made leaves nothing", "[storage][qcow2]") {
  const Folders folders;
  const CloneTarget target{folders.disks};
  const std::filesystem::path deep = folders.dir.path() / std::string(1100, 'd');
  CHECK(absl::IsInvalidArgument(CreateOverlay(deep, VolumeFormat::kRaw, target, kGiB).status()));
  CHECK(absl::IsInvalidArgument(
      CreateOverlay(folders.image, VolumeFormat::kRaw, target, kGiB + 1).status()));
  CHECK(absl::IsInvalidArgument(
      CreateOverlay(folders.image, VolumeFormat::kRaw, target, uint64_t{1} << 60).status()));
  CHECK(absl::IsNotFound(
      CreateOverlay(folders.image, VolumeFormat::kRaw, {folders.dir / "absent"}, kGiB).status()));
  CHECK(std::filesystem::is_empty(folders.disks));
  folders.Overlay("disk");
  CHECK(absl::IsAlreadyExists(
      CreateOverlay(folders.image, VolumeFormat::kRaw, target, kGiB).status()));
}

TEST_CASE("a head that makes no sense is refused", "[storage][qcow2]") {
  const Folders folders;
  const std::string good = ValueOf(ReadFile(folders.Overlay("disk").path)).substr(0, 65536);
  REQUIRE_OK(ParseQcow2Header(good));
  const auto with = [&good](size_t at, std::string_view bytes) {
    std::string changed = good;
    changed.replace(at, bytes.size(), bytes);
    return ParseQcow2Header(changed).status();
  };
  CHECK(absl::IsDataLoss(ParseQcow2Header("").status()));
  CHECK(absl::IsDataLoss(ParseQcow2Header(good.substr(0, 100)).status()));
  CHECK(absl::IsDataLoss(with(0, "EXT4")));
  CHECK(absl::IsDataLoss(with(4, std::string_view("\0\0\0\2", 4))));
  CHECK(absl::IsDataLoss(with(8, "\x7f\xff")));       // its backing file's name lies far behind
  CHECK(absl::IsDataLoss(with(16, "\x7f\xff")));      // or is that long
  CHECK(absl::IsDataLoss(with(36, "\x7f\xff")));      // a map of gigabytes
  CHECK(absl::IsDataLoss(with(40, "\xff\xff\xff")));  // that lies nowhere
  CHECK(absl::IsDataLoss(with(100, "\x7f")));         // extensions behind the end
  CHECK(absl::IsNotFound(ReadQcow2Header(folders.dir / "absent").status()));
}

TEST_CASE("a layer is its disk's own file under another name", "[storage][layers]") {
  const Folders folders;
  const LayerFiles layers(folders.dir / "layers");
  CHECK(ValueOf(layers.List()).empty());
  const Volume disk = folders.Overlay("disk");
  Write(disk, 'y', 0, kMiB);
  const Volume layer = ValueOf(layers.Link(disk, "one"));
  CHECK(layer.path == layers.PathOf("one", VolumeFormat::kQcow2));
  CHECK(layers.IdOf(layer.path) == "one");
  CHECK(layers.IdOf(disk.path).empty());
  CHECK(std::filesystem::equivalent(layer.path, disk.path));
  REQUIRE_OK(RemoveVolume(disk));
  const Volume over = ValueOf(layers.Overlay("one", "qcow2", {folders.disks, "disk-2"}, 8 * kGiB));
  CHECK(Reads(over, 'y', 0, kMiB));
  CHECK(Reads(over, 'x', kMiB, kMiB));
  CHECK(absl::IsAlreadyExists(layers.Link(over, "one").status()));
  REQUIRE_OK(layers.Remove("one", VolumeFormat::kQcow2));
  REQUIRE_OK(layers.Remove("one", VolumeFormat::kQcow2));
  CHECK(ValueOf(layers.List()).empty());
}

TEST_CASE("a chain is flattened to the image and says what it said", "[storage][layers]") {
  const Folders folders;
  const LayerFiles layers(folders.dir / "layers");
  Volume top = folders.Overlay("disk");
  for (int layer = 0; layer < 12; ++layer) {
    const auto number = static_cast<uint64_t>(layer);
    Write(top, static_cast<char>('a' + layer), number * kGiB / 2, kMiB);
    const std::string id = fmt::format("{}", layer);
    REQUIRE_OK(layers.Link(top, id));
    top = ValueOf(layers.Overlay(id, "qcow2", {folders.disks, "disk-" + id}, 8 * kGiB));
  }
  Write(top, 'Z', kMiB, 512);
  std::stop_source stop;
  stop.request_stop();
  CHECK_FALSE(Flatten(top.path, folders.image, VolumeFormat::kRaw, {stop.get_token(), {}}).ok());
  REQUIRE_OK(Flatten(top.path, folders.image, VolumeFormat::kRaw, Soon()));
  CHECK(ValueOf(ReadQcow2Header(top.path)).backing == folders.image);
  std::filesystem::remove_all(layers.dir());
  for (int layer = 0; layer < 12; ++layer) {
    const auto number = static_cast<uint64_t>(layer);
    const uint64_t from = layer == 0 ? 0 : number * kGiB / 2;
    CHECK(Reads(top, static_cast<char>('a' + layer), from, kMiB));
  }
  CHECK(Reads(top, 'Z', kMiB, 512));
  CHECK(Reads(top, 'x', kMiB + 512, kMiB - 512));
  Tool({"qemu-img", "check", "-q", "-f", "qcow2", top.path});
}

TEST_CASE("names of disks differ though their UUIDs were made together", "[storage][layers]") {
  const std::string one = UniqueDiskStem(ValueOf(TimeOrderedUuid()));
  const std::string two = UniqueDiskStem(ValueOf(TimeOrderedUuid()));
  CHECK(one != two);
  CHECK(one.starts_with("disk-"));
  CHECK(one.size() == 5 + 12);
}

}  // namespace
}  // namespace ember::storage
