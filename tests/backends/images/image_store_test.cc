#include "backends/images/image_store.h"

#include <future>

#include "backends/images/debian_rootfs.h"
#include "backends/images/entry_path.h"
#include "backends/images/image_import.h"
#include "backends/images/store_name.h"
#include "base/file.h"
#include "base/status.h"
#include "tests/backends/images/ext4_tools.h"
#include "tests/backends/images/tar_file.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember::images {
namespace {

using testing::TarFile;
using testing::ValueOf;

Cancellation Soon() { return Cancellation::After(absl::Minutes(2)); }

class ImageShop {
 public:
  ImageShop() { TarFile(tar()).File("etc/hostname", "from-tar\n"); }
  std::filesystem::path tar() const { return dir_ / "in.tar"; }
  std::unique_ptr<ImageStore> Open() { return ValueOf(ImageStore::Open(store_path())); }
  std::filesystem::path store_path() const { return dir_ / "images"; }
  // Files and links of the store: an image has a root filesystem, a record and a name.
  size_t Entries() const {
    size_t entries = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(store_path())) {
      entries += entry.is_directory() && !entry.is_symlink() ? 0 : 1;
    }
    return entries;
  }

 private:
  testing::TempDir dir_;
};

TEST_CASE("an imported image is listed with its size and digest until it is deleted",
          "[images][store]") {
  ImageShop shop;
  auto store = shop.Open();
  const ImageRecord image = ValueOf(ImportImage(*store, "web", shop.tar(), 0, {}, Soon()));
  CHECK(image.name == "web");
  CHECK(image.source == "tar:in.tar");
  CHECK(image.size_bytes == 64 * kMiB);
  CHECK(image.disk_bytes < 2 * kMiB);
  const std::string sum = ValueOf(RunToolForOutput({"sha256sum", image.rootfs.native()}, Soon()));
  CHECK(image.digest == "sha256:" + sum.substr(0, 64));
  CHECK(ValueOf(shop.Open()->List()) == std::vector<ImageRecord>{image});
  REQUIRE_OK(store->Delete("web"));
  CHECK(ValueOf(store->List()).empty());
  CHECK(shop.Entries() == 0);
}

TEST_CASE("a missing image says how to get one", "[images][store]") {
  ImageShop shop;
  auto store = shop.Open();
  const absl::Status status = store->Get("web").status();
  CHECK(absl::IsNotFound(status));
  CHECK(Message(status) == "image 'web' does not exist");
  const std::string hint = HintOf(status).value_or("");
  for (const char* part : {"'ember image list'", "'ember image build web --from busybox'",
                           "'ember image import web TAR'", "'ember image pull web'"}) {
    CHECK(hint.find(part) != hint.npos);
  }
  CHECK(absl::IsNotFound(store->Delete("web")));
  CHECK(absl::IsNotFound(store->Get("../web").status()));
}

TEST_CASE("of two images of one name that are made at once, one wins", "[images][store]") {
  ImageShop shop;
  auto store = shop.Open();
  const auto import = [&] {
    return ImportImage(*store, "web", shop.tar(), 0, {}, Soon()).status();
  };
  auto other = std::async(std::launch::async, import);
  const absl::Status mine = import();
  const absl::Status theirs = other.get();
  CHECK(mine.ok() != theirs.ok());
  CHECK(absl::IsAlreadyExists(mine.ok() ? theirs : mine));
  CHECK(shop.Entries() == 3);
}

TEST_CASE("a failed or cancelled import leaves nothing", "[images][store]") {
  ImageShop shop;
  auto store = shop.Open();
  SECTION("no such file") {
    CHECK(absl::IsNotFound(ImportImage(*store, "web", "/nowhere.tar", 0, {}, Soon()).status()));
  }
  SECTION("a device") {
    CHECK(absl::IsInvalidArgument(ImportImage(*store, "web", "/dev/null", 0, {}, Soon()).status()));
  }
  SECTION("no archive") {
    REQUIRE_OK(WriteFileAtomically(shop.tar(), "text", 0644));
    CHECK(absl::IsInvalidArgument(ImportImage(*store, "web", shop.tar(), 0, {}, Soon()).status()));
  }
  SECTION("cancelled") {
    std::stop_source stop;
    const auto sink = [&stop](const Progress& progress) {
      if (progress.stage == "hashing") stop.request_stop();
    };
    CHECK(absl::IsCancelled(
        ImportImage(*store, "web", shop.tar(), 0, sink, {stop.get_token(), {}}).status()));
  }
  CHECK(shop.Entries() == 0);
}

TEST_CASE("what an interrupted import has left is removed at the next start", "[images][store]") {
  ImageShop shop;
  REQUIRE_OK(MakeDirectories(shop.store_path() / ".staging-1/x", 0755));
  shop.Open();
  CHECK(shop.Entries() == 0);
}

TEST_CASE("a damaged record is told by its path", "[images][store]") {
  ImageShop shop;
  auto store = shop.Open();
  REQUIRE_OK(ImportImage(*store, "web", shop.tar(), 0, {}, Soon()));
  const std::filesystem::path record =
      std::filesystem::canonical(shop.store_path() / "names" / "web");
  REQUIRE_OK(WriteFileAtomically(record, "{", 0644));
  CHECK(absl::IsDataLoss(store->Get("web").status()));
  const absl::Status listed = store->List().status();
  CHECK(absl::IsDataLoss(listed));
  CHECK(Message(listed).find(record.filename().native()) != std::string_view::npos);
}

TEST_CASE("names that are no safe file names are refused", "[images][store]") {
  for (const char* name : {"", ".", "..", "a/b", "-a", ".a", "Web", "a b", "ä"}) {
    INFO(name);
    CHECK(absl::IsInvalidArgument(CheckStoreName("image", name)));
  }
  CHECK(absl::IsInvalidArgument(CheckStoreName("image", std::string(64, 'a'))));
  CHECK(CheckStoreName("image", "debian_12.1-slim").ok());
}

TEST_CASE("paths are normalized or refused", "[images][archive]") {
  CHECK(ValueOf(NormalizePath("/./usr//bin/.")) == "usr/bin");
  CHECK(ValueOf(NormalizePath("./")) == "");
  CHECK(ValueOf(NormalizePath("..a/b..")) == "..a/b..");
  for (const std::string& path : {std::string(".."), std::string("a/.."), std::string("/../x"),
                                  std::string(256, 'n'), std::string(5000, '/')}) {
    CHECK(absl::IsInvalidArgument(NormalizePath(path).status()));
  }
}

TEST_CASE("an unknown recipe says what there is", "[images][build]") {
  ImageShop shop;
  auto store = shop.Open();
  const absl::Status status = BuildImage(*store, "web", {.from = "fedora"}, {}, Soon()).status();
  CHECK(absl::IsInvalidArgument(status));
  CHECK(HintOf(status).value_or("").find("--from busybox") != std::string::npos);
  CHECK(absl::IsInvalidArgument(
      BuildImage(*store, "web", {.from = "debian:--bad"}, {}, Soon()).status()));
  CHECK(absl::IsInvalidArgument(
      BuildImage(*store, "web", {.from = "debian:sid", .packages = {"--opt"}}, {}, Soon())
          .status()));
  CHECK(shop.Entries() == 0);
}

TEST_CASE("another suite is fetched from where the host gets its own", "[images][build]") {
  const std::vector<std::string> host = {
      "Debian|mirror:/debian|bookworm|bookworm|main",
      "Debian|mirror:/debian|bookworm|bookworm|contrib",
      "Debian|mirror:/debian|bookworm-updates|bookworm-updates|main",
      "Debian|mirror:/security|bookworm-security|bookworm-security|main",
      "Vendor|mirror:/vendor|stable|stable|main"};
  CHECK(ValueOf(SourcesFor("trixie", host)) ==
        std::vector<std::string>{"deb mirror:/debian trixie contrib main",
                                 "deb mirror:/debian trixie-updates main",
                                 "deb mirror:/security trixie-security main"});
  CHECK(ValueOf(SourcesFor("sid", host)) ==
        std::vector<std::string>{"deb mirror:/debian sid contrib main"});
  CHECK(SourcesFor("trixie", {"Vendor|x|y|z|main"}).status().code() ==
        absl::StatusCode::kFailedPrecondition);
}

TEST_CASE("a cancelled Debian build ends with its processes, mounts and files",
          "[images][build][apt]") {
  if (!FindProgram("mmdebstrap").has_value()) EMBER_SKIP("mmdebstrap is not installed");
  ImageShop shop;
  auto store = shop.Open();
  std::stop_source stop;
  const auto sink = [&stop](const Progress& progress) {
    // By then packages are being unpacked, with the host's folders mounted.
    if (progress.message.find("Unpacking ") != std::string::npos) stop.request_stop();
  };
  const absl::Status status = BuildImage(*store, "web", {.from = "debian:bookworm"}, sink,
                                         {stop.get_token(), Soon().deadline})
                                  .status();
  if (absl::IsUnavailable(status)) EMBER_SKIP("cannot build here: " + std::string(Message(status)));
  INFO(status.ToString());
  CHECK((absl::IsCancelled(status) || absl::IsDeadlineExceeded(status)));
  CHECK(shop.Entries() == 0);
  CHECK(ValueOf(ReadFile("/proc/self/mountinfo")).find(shop.store_path().native()) ==
        std::string::npos);
}

TEST_CASE("a busybox image has a shell, names and no init", "[images][build][apt]") {
  if (!testing::HasExt4Tools()) EMBER_SKIP("e2fsprogs are not installed");
  ImageShop shop;
  auto store = shop.Open();
  const auto image = BuildImage(*store, "tiny", {.from = "busybox"}, {}, Soon());
  if (absl::IsUnavailable(image.status()) || absl::IsNotFound(image.status())) {
    EMBER_SKIP("apt can't download here: " + std::string(Message(image.status())));
  }
  REQUIRE_OK(image);
  CHECK(image->source == "busybox");
  CHECK(testing::FsckComplaint(image->rootfs) == "");
  CHECK(testing::Contains(testing::Debugfs(image->rootfs, "stat /usr/bin/sh"), "\"busybox\""));
  CHECK(testing::Contains(testing::Debugfs(image->rootfs, "cat /etc/os-release"),
                          "ID=ember-busybox"));
  CHECK(testing::Contains(testing::Debugfs(image->rootfs, "stat /tmp"), "Mode:  01777"));
  CHECK_FALSE(testing::Contains(testing::Debugfs(image->rootfs, "ls /usr/sbin"), " init "));
}

}  // namespace
}  // namespace ember::images
