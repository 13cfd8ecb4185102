#include <future>
#include <set>

#include "backends/images/image_import.h"
#include "backends/images/image_name.h"
#include "backends/images/image_store.h"
#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "tests/backends/images/tar_file.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

// Names, ids and what images share.
namespace ember::images {
namespace {

using testing::TarFile;
using testing::ValueOf;

Cancellation Soon() { return Cancellation::After(absl::Minutes(2)); }

// A store with images that are told apart by one file.
class NamedShop {
 public:
  ImageRecord Import(std::string_view name, const std::string& content) {
    const std::filesystem::path tar = dir_ / "in.tar";
    TarFile(tar).File("etc/hostname", content);
    return ValueOf(ImportImage(*store, name, tar, 0, {}, Soon()));
  }
  void Reopen() {
    store.reset();
    store = ValueOf(ImageStore::Open(dir_ / "images"));
  }
  size_t Files(std::string_view folder) const {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator(dir_ / "images" / folder), {}));
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const ImageRecord& image : ValueOf(store->List())) names.push_back(image.name);
    return names;
  }

 private:
  testing::TempDir dir_;

 public:
  std::unique_ptr<ImageStore> store = ValueOf(ImageStore::Open(dir_ / "images"));
};

using Names = std::vector<std::string>;

TEST_CASE("names are as their users write them", "[images][names]") {
  CHECK(ValueOf(ImageName("docker.io/library/alpine:latest")) == "alpine");
  CHECK(ValueOf(ImageName("alpine:3.19")) == "alpine:3.19");
  CHECK(ValueOf(ImageName("localhost:5000/team/app")) == "localhost:5000/team/app");
  CHECK(ValueOf(ImageName("debian_12.1-slim")) == "debian_12.1-slim");
  for (const char* name : {"", "..", "a b", "Web", "-a", "a/../b", "a:b:c"}) {
    INFO(name);
    CHECK(absl::IsInvalidArgument(ImageName(name).status()));
  }
  const std::string deep = "host/" + std::string(120, 'a') + "/" + std::string(120, 'b');
  CHECK(absl::IsInvalidArgument(ImageName(deep).status()));
}

TEST_CASE("every name has a file name of its own, which leads back", "[images][names]") {
  std::set<std::string> files;
  for (const char* name : {"alpine", "alpine:3.19", "a/b", "a:b", "a%b", "a@sha256", "A", "a", ".",
                           "..", ".hidden", "ä"}) {
    const std::string file = ImageNameToFile(name);
    INFO(name << " is " << file);
    CHECK(files.insert(file).second);
    CHECK(file.find('/') == file.npos);
    CHECK_FALSE(file.starts_with('.'));
    CHECK(ImageNameFromFile(file) == name);
  }
  for (const char* file : {"", "%", "%4", "%61", "%2f", "a/b", ".x", "%zz", "A"}) {
    INFO(file);
    CHECK(ImageNameFromFile(file) == std::nullopt);
  }
}

TEST_CASE("images with the same content are one with two names", "[images][names]") {
  NamedShop shop;
  const ImageRecord first = shop.Import("one", "same\n");
  const ImageRecord second = shop.Import("two", "same\n");
  CHECK(first.id == second.id);
  CHECK(second.names == Names{"one", "two"});
  CHECK(shop.Files("rootfs") == 1);
  CHECK(shop.Files("records") == 1);
  REQUIRE_OK(shop.store->Delete("one"));
  CHECK(ValueOf(shop.store->Get("two")).rootfs == first.rootfs);
  REQUIRE_OK(shop.store->Delete("two"));
  CHECK(shop.Files("rootfs") == 0);
  CHECK(shop.Files("records") == 0);
}

TEST_CASE("an image is found by its names and by its id", "[images][names]") {
  NamedShop shop;
  const ImageRecord image = shop.Import("one", "1\n");
  shop.Import("other", "2\n");
  const std::string digits = DigestHex(image.id);
  CHECK(ValueOf(shop.store->Get(image.id)).name == "one");
  CHECK(ValueOf(shop.store->Get(digits.substr(0, 12))).id == image.id);
  CHECK(ValueOf(shop.store->Get("docker.io/library/one")).id == image.id);
  // Too few digits are a name that nobody has.
  CHECK(absl::IsNotFound(shop.store->Get(digits.substr(0, 11)).status()));
  CHECK(absl::IsNotFound(shop.store->Get("sha256:" + std::string(64, '0')).status()));
  REQUIRE_OK(shop.store->Delete(image.id));
  CHECK(shop.Names() == Names{"other"});
}

TEST_CASE("a tag is one more name, and moves only when it is told to", "[images][names]") {
  NamedShop shop;
  const ImageRecord one = shop.Import("one", "1\n");
  const ImageRecord two = shop.Import("two", "2\n");
  CHECK(ValueOf(shop.store->Tag("one", "extra", NameMode::kNew)).names == Names{"extra", "one"});
  // Again is no change.
  CHECK(ValueOf(shop.store->Tag("one", "extra", NameMode::kNew)).id == one.id);
  const absl::Status taken = shop.store->Tag("two", "one", NameMode::kNew).status();
  CHECK(absl::IsAlreadyExists(taken));
  CHECK(HintOf(taken).value_or("").find("--move") != std::string::npos);
  CHECK(ValueOf(shop.store->Tag("two", "one", NameMode::kMove)).id == two.id);
  CHECK(ValueOf(shop.store->Get("extra")).id == one.id);
  CHECK(absl::IsNotFound(shop.store->Tag("nobody", "x", NameMode::kNew).status()));
  CHECK(absl::IsInvalidArgument(shop.store->Tag("two", "Bad Name", NameMode::kNew).status()));
}

TEST_CASE("an image that lost its last name stays until it is pruned", "[images][names]") {
  NamedShop shop;
  const ImageRecord old = shop.Import("app", "1\n");
  shop.Import("new", "2\n");
  REQUIRE_OK(shop.store->Tag("new", "app", NameMode::kMove));
  shop.Reopen();
  CHECK(ValueOf(shop.store->Get(old.id)).names.empty());
  CHECK(shop.Names() == Names{"", "app", "new"});

  const Pruned would = ValueOf(shop.store->Prune({old.id}, true));
  CHECK(would.images == Names{old.id});
  CHECK(would.freed_bytes == old.disk_bytes);
  CHECK(shop.store->Get(old.id).ok());
  CHECK(ValueOf(shop.store->Prune({old.id}, false)) == would);
  CHECK(absl::IsNotFound(shop.store->Get(old.id).status()));
  CHECK(shop.Files("records") == 1);
  CHECK(shop.Files("rootfs") == 1);
}

TEST_CASE("a prune removes blobs of no image, but not while a transfer is under way",
          "[images][names]") {
  NamedShop shop;
  const std::string digest = ValueOf(shop.store->blobs().PutBytes("left by a pull"));
  {
    const ImageStore::Transfer transfer(*shop.store);
    CHECK(ValueOf(shop.store->Prune({}, false)).blobs.empty());
  }
  CHECK(ValueOf(shop.store->Prune({}, false)).blobs == Names{digest});
  CHECK_FALSE(shop.store->blobs().Has(digest));
}

TEST_CASE("what a crash left between an image's parts goes at the next start", "[images][names]") {
  NamedShop shop;
  const ImageRecord image = shop.Import("web", "1\n");
  const std::filesystem::path dir = shop.store->dir();
  SECTION("a root filesystem without a record") {
    std::filesystem::remove(dir / "names" / "web");
    std::filesystem::remove(dir / "records" / (DigestHex(image.id) + ".json"));
  }
  SECTION("a record without a name") { std::filesystem::remove(dir / "names" / "web"); }
  SECTION("a name without a record") {
    std::filesystem::remove(dir / "records" / (DigestHex(image.id) + ".json"));
  }
  SECTION("files that were on their way") {
    REQUIRE_OK(shop.store->Delete("web"));
    REQUIRE_OK(WriteFileAtomically(dir / "records" / "x.json.tmp", "{", 0644));
    std::filesystem::create_symlink("../records/x.json", dir / "names" / ".new-1");
  }
  shop.Reopen();
  CHECK(shop.Names().empty());
  for (const char* folder : {"rootfs", "records", "names"}) CHECK(shop.Files(folder) == 0);
}

TEST_CASE("of many who make and delete the same image at once each gets one whole answer",
          "[images][names]") {
  NamedShop shop;
  const std::filesystem::path tar = shop.store->dir() / ".staging-test.tar";
  TarFile(tar).File("etc/hostname", "same\n");
  // Catch's macros are for this thread alone.
  const auto turn = [&](int number) -> absl::Status {
    const std::string name = "n" + std::to_string(number);
    RETURN_IF_ERROR(ImportImage(*shop.store, name, tar, 0, {}, Soon()).status());
    ASSIGN_OR_RETURN(const ImageRecord image, shop.store->Get(name));
    if (!std::filesystem::exists(image.rootfs)) return NotFound("{}", image.rootfs.native());
    return shop.store->Delete(name);
  };
  std::vector<std::future<absl::Status>> turns;
  for (int i = 0; i < 4; ++i) turns.push_back(std::async(std::launch::async, turn, i));
  for (auto& one : turns) REQUIRE_OK(one.get());
  CHECK(shop.Files("rootfs") == 0);
  CHECK(shop.Files("records") == 0);
}

TEST_CASE("an image that the disk has no room for is refused with the numbers", "[images][names]") {
  NamedShop shop;
  RootfsSource source;
  source.unpacked_size = uint64_t{1} << 60;
  const absl::Status status =
      shop.store->Make("huge", {"test"}, source, {}, NameMode::kNew, {}, Soon()).status();
  CHECK(absl::IsResourceExhausted(status));
  CHECK(ReasonOf(status) == "DISK_FULL");
  CHECK(Message(status).find("image 'huge' needs about 1099511627776M of disk") !=
        std::string_view::npos);
  CHECK(HintOf(status).value_or("").find("ember image prune") != std::string::npos);
}

}  // namespace
}  // namespace ember::images
