#include <fstream>

#include "backends/images/oci/docker_manifest.h"
#include "backends/images/oci/transfer.h"
#include "tests/backends/images/oci/image_shop.h"
#include "tests/support/catch.h"
#include "tests/support/full_disk.h"
#include "tests/support/text.h"

namespace ember::images {
namespace {

using testing::Contains;
using testing::ImageShop;
using testing::TarFile;
using testing::TextOf;
using testing::ValueOf;

// A store that images are loaded into.
class Port {
 public:
  Port() : store(ValueOf(BlobStore::Open(dir_ / "store"))) {
    std::filesystem::create_directory(dir_ / "scratch");
  }

  absl::StatusOr<OciImage> Load(const std::filesystem::path& archive, std::string item = "") {
    FetchRequest request;
    request.archive = archive;
    request.archive_item = std::move(item);
    request.scratch = dir_ / "scratch";
    auto image = FetchImage(request, store, {}, Cancellation::After(absl::Minutes(1)));
    std::filesystem::remove_all(dir_ / "scratch");
    std::filesystem::create_directory(dir_ / "scratch");
    return image;
  }
  std::vector<std::string> Names(const std::filesystem::path& archive) {
    return ValueOf(ArchiveImages(archive, dir_ / "scratch", {}));
  }
  std::filesystem::path operator/(std::string_view name) const { return dir_ / name; }

 private:
  testing::TempDir dir_;

 public:
  const BlobStore store;
};

void FillImage(ImageShop& shop) {
  shop.Layer([](TarFile& tar) { tar.File("etc/one", std::string(10'000, '1')); });
  shop.Layer([](TarFile& tar) { tar.File("etc/two", "2"); }, archive_write_add_filter_zstd);
}

absl::Status Save(const ImageShop& shop, const OciImage& image, ArchiveFormat format,
                  const std::filesystem::path& target) {
  return WriteImageArchive(shop.store(), image, ValueOf(ParseImageReference("team/tool:2")), format,
                           target, {}, Cancellation::After(absl::Minutes(1)));
}

TEST_CASE("an image that is saved and loaded is the same image", "[images][archive]") {
  ImageShop shop;
  FillImage(shop);
  const OciImage image = shop.Image();
  Port port;
  SECTION("as an OCI archive, blob for blob") {
    REQUIRE_OK(Save(shop, image, ArchiveFormat::kOci, shop / "saved"));
    CHECK(port.Names(shop / "saved") == std::vector<std::string>{"team/tool:2"});
    CHECK(ValueOf(port.Load(shop / "saved")) == image);
  }
  SECTION("as a docker-archive, layer for layer") {
    REQUIRE_OK(Save(shop, image, ArchiveFormat::kDocker, shop / "saved"));
    CHECK(port.Names(shop / "saved") == std::vector<std::string>{"team/tool:2"});
    const OciImage loaded = ValueOf(port.Load(shop / "saved"));
    CHECK(loaded.config_digest == image.config_digest);
    REQUIRE(loaded.layers.size() == 2);
    CHECK(loaded.layers[0].digest == image.layers[0].diff_id);
    CHECK(loaded.layers[1].diff_id == image.layers[1].diff_id);
  }
  CHECK(port.store.Has(image.config_digest));
}

TEST_CASE("an image without layers is saved as one layer that makes the same disk",
          "[images][archive]") {
  ImageShop shop;
  FillImage(shop);
  shop.Layer([](TarFile& tar) {
    tar.HardLink("etc/link", "etc/one");
    tar.Symlink("long", std::string(100, 't'));
    archive_entry_set_rdevmajor(tar.next(), 5);
    archive_entry_set_rdevminor(tar.next(), 1);
    tar.Add("dev/console", AE_IFCHR, 0600);
    archive_entry_xattr_add_entry(tar.next(), "user.note", "hello", 5);
    archive_entry_set_mtime(tar.next(), 1'700'000'000, 5);
    archive_entry_set_uid(tar.next(), 3'000'000);
    tar.File("noted", "x");
    archive_entry_sparse_add_entry(tar.next(), 1 << 20, 4096);
    tar.File("sparse", std::string(2 << 20, '\0'));
  });
  const testing::EntryMap before = shop.DiskEntries();
  ImageConfig config;
  config.env = {"A=1"};
  config.exposed_ports = {"80/tcp"};
  config.architecture = ThisArchitecture().debian;
  Port port;
  const auto make = [&] {
    return ValueOf(MakeImageFromRootfs(shop.disk(), config, port.store, port / "scratch", {}, {}));
  };
  const OciImage image = make();
  CHECK(image.config == config);
  CHECK(make() == image);
  REQUIRE_OK(
      WriteRootfs(LayersRootfs(port.store, image), port / "disk.ext4", {}, {}, Cancellation()));
  CHECK(testing::FsckComplaint(port / "disk.ext4") == "");
  CHECK(testing::ReadExt4(port / "disk.ext4") == before);
}

TEST_CASE("docker's older archives with links for layers are loaded", "[images][archive]") {
  ImageShop shop;
  shop.Layer([](TarFile& tar) { tar.File("a", "x"); }, archive_write_add_filter_none);
  const OciImage image = shop.Image();
  {
    TarFile tar(shop / "old");
    tar.File("one/layer.tar", ValueOf(shop.store().Read(image.layers[0].digest, 1 << 20)));
    tar.Symlink("two/layer.tar", "../one/layer.tar");
    tar.File("config.json", ValueOf(shop.store().Read(image.config_digest, 1 << 20)));
    tar.File("manifest.json", DockerManifestToJson({"config.json", {"old:1"}, {"two/layer.tar"}}));
  }
  Port port;
  CHECK(ValueOf(port.Load(shop / "old")).layers[0].digest == image.layers[0].digest);
}

TEST_CASE("of an archive of several images one must be named", "[images][archive]") {
  ImageShop shop;
  FillImage(shop);
  const OciImage image = shop.Image();
  {
    TarFile tar(shop / "several");
    const std::string config = ValueOf(shop.store().Read(image.config_digest, 1 << 20));
    tar.File("c", config);
    const auto layer = [&](size_t i) {
      return ValueOf(shop.store().Read(image.layers[i].digest, 1 << 20));
    };
    tar.File("l1", layer(0));
    tar.File("l2", layer(1));
    const std::string one = DockerManifestToJson({"c", {"first:1"}, {"l1", "l2"}});
    const std::string two = DockerManifestToJson({"c", {"second:1"}, {"l1", "l2"}});
    tar.File("manifest.json", one.substr(0, one.size() - 1) + "," + two.substr(1));
  }
  Port port;
  CHECK(Contains(TextOf(port.Load(shop / "several").status()), "2 images: first:1, second:1"));
  CHECK(Contains(TextOf(port.Load(shop / "several", "third").status()), "no image 'third'"));
  CHECK(ValueOf(port.Load(shop / "several", "second:1")).layers.size() == 2);
}

TEST_CASE("an archive of one image for several platforms holds one", "[images][archive]") {
  ImageShop shop;
  FillImage(shop);
  const OciImage image = shop.Image();
  {
    TarFile tar(shop / "platforms");
    tar.File("oci-layout", "{}");
    const auto item = [](const std::string& digest, std::string_view architecture) {
      return fmt::format(R"({{"mediaType":"{}","digest":"{}","size":9,)"
                         R"("platform":{{"os":"linux","architecture":"{}"}}}})",
                         kOciManifest, digest, architecture);
    };
    tar.File("index.json", "{\"manifests\":[" + item(DigestBytes("other"), "mips") + "," +
                               item(image.manifest_digest, ThisArchitecture().debian) + "]}");
    std::vector<std::string> digests = {image.manifest_digest, image.config_digest};
    for (const OciLayer& layer : image.layers) digests.push_back(layer.digest);
    for (const std::string& digest : digests) {
      tar.File("blobs/sha256/" + digest.substr(7), ValueOf(shop.store().Read(digest, 1 << 20)));
    }
  }
  Port port;
  CHECK(port.Names(shop / "platforms") == std::vector<std::string>{""});
  CHECK(ValueOf(port.Load(shop / "platforms")) == image);
}

TEST_CASE("archives that are damaged, incomplete or something else are refused",
          "[images][archive]") {
  ImageShop shop;
  FillImage(shop);
  const OciImage image = shop.Image();
  Port port;
  const auto bad = shop / "bad";
  SECTION("a plain root filesystem") {
    { TarFile(bad).File("etc/passwd", "root"); }
    const absl::Status status = port.Load(bad).status();
    CHECK(Contains(TextOf(status), "neither an OCI archive nor a docker-archive"));
    CHECK(Contains(*HintOf(status), "ember image import"));
  }
  SECTION("other bytes under a digest") {
    {
      TarFile tar(bad);
      tar.File("oci-layout", "{}");
      tar.File("index.json",
               IndexToJson({std::string(kOciManifest), image.manifest_digest, 1}, ""));
      tar.File("blobs/sha256/" + image.manifest_digest.substr(7), "other");
    }
    CHECK(absl::IsDataLoss(port.Load(bad).status()));
  }
  SECTION("a blob that is missing") {
    {
      TarFile tar(bad);
      tar.File("oci-layout", "{}");
      tar.File("index.json",
               IndexToJson({std::string(kOciManifest), image.manifest_digest, 1}, ""));
    }
    CHECK(absl::IsNotFound(port.Load(bad).status()));
  }
  SECTION("cut") {
    REQUIRE_OK(Save(shop, image, ArchiveFormat::kOci, bad));
    std::filesystem::resize_file(bad, std::filesystem::file_size(bad) / 2);
    CHECK(absl::IsInvalidArgument(port.Load(bad).status()));
  }
  SECTION("..") {
    { TarFile(bad).File("../oci-layout", "{}"); }
    CHECK(absl::IsInvalidArgument(port.Load(bad).status()));
  }
  SECTION("not there") { CHECK(absl::IsNotFound(port.Load(bad).status())); }
  CHECK(ValueOf(port.store.List()).empty());
}

TEST_CASE("a save never replaces a file and leaves none when it fails", "[images][archive]") {
  ImageShop shop;
  FillImage(shop);
  const OciImage image = shop.Image();
  SECTION("an existing file stays") {
    std::ofstream(shop / "taken") << "mine";
    CHECK(absl::IsAlreadyExists(Save(shop, image, ArchiveFormat::kOci, shop / "taken")));
    CHECK(ValueOf(ReadFile(shop / "taken")) == "mine");
  }
  SECTION("a full disk leaves nothing") {
    std::filesystem::create_directory(shop / "out");
    absl::Status status;
    {
      const testing::FullDisk full;
      status = Save(shop, image, ArchiveFormat::kDocker, shop / "out" / "saved");
    }
    CHECK_FALSE(status.ok());
    CHECK(std::filesystem::is_empty(shop / "out"));
  }
}

}  // namespace
}  // namespace ember::images
