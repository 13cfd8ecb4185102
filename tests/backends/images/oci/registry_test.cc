#include <fcntl.h>
#include <unistd.h>

#include <set>
#include <utility>

#include "backends/images/directory_source.h"
#include "backends/images/oci/transfer.h"
#include "tests/backends/images/oci/faulty_front.h"
#include "tests/backends/images/oci/image_shop.h"
#include "tests/support/catch.h"
#include "tests/support/loop_filesystem.h"
#include "tests/support/registry.h"
#include "tests/support/text.h"

namespace ember::images {
namespace {

using testing::Contains;
using testing::FaultyFront;
using testing::ImageShop;
using testing::Registry;
using testing::TarFile;
using testing::TextOf;
using testing::ValueOf;

std::string Noise(size_t size, uint32_t seed) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) {
    seed = seed * 1664525 + 1013904223;
    byte = static_cast<char>(seed >> 24);
  }
  return bytes;
}

// Pulls into a store of its own.
class Puller {
 public:
  explicit Puller(std::filesystem::path root = {}) : root_(root.empty() ? dir_.path() : root) {
    Clean();
  }

  BlobStore store() const { return ValueOf(BlobStore::Open(root_ / "store")); }

  absl::StatusOr<OciImage> Pull(const std::string& name, Cancellation cancellation = {}) {
    request.reference = ValueOf(ParseImageReference(name));
    request.scratch = root_ / "scratch";
    items.clear();
    auto image = FetchImage(
        request, store(),
        [this](const Progress& progress) {
          if (!progress.item.empty()) items[progress.item] = progress.message;
          if (on_progress) on_progress(progress);
        },
        {cancellation.token, cancellation.deadline.Sooner(Deadline::After(absl::Minutes(2)))});
    Clean();
    return image;
  }

  FetchRequest request{.plain_http = true};
  std::map<std::string, std::string> items;  // the last word on each layer
  std::function<void(const Progress&)> on_progress;

 private:
  // What the owner of the scratch folder does, however it ended.
  void Clean() {
    std::filesystem::remove_all(root_ / "scratch");
    std::filesystem::create_directories(root_ / "scratch");
  }

  testing::TempDir dir_;
  std::filesystem::path root_;
};

void Publish(ImageShop& shop, const Registry& registry, const std::string& name,
             const std::vector<std::string>& options = {}) {
  registry.Push("oci:" + shop.WriteLayout().native() + ":x", name, options);
}

void FillWell(ImageShop& shop) {
  shop.Layer([](TarFile& tar) {
    tar.Folder("./", 0755);
    tar.Folder("etc", 0750);
    tar.File("etc/passwd", "root:x:0:0\n", 0600);
    archive_entry_set_uid(tar.next(), 70'000);
    archive_entry_set_gid(tar.next(), 80'000);
    archive_entry_set_mtime(tar.next(), 1'234'567'890, 987'654'321);
    archive_entry_xattr_add_entry(tar.next(), "user.note", "hello", 5);
    archive_entry_xattr_add_entry(tar.next(), "security.capability",
                                  "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
    tar.File("usr/bin/ping", Noise(300'000, 1), 04755);
    tar.HardLink("usr/bin/ping6", "usr/bin/ping");
    tar.Symlink("bin", "usr/bin");
    tar.Symlink("long", std::string(200, 't'));
    archive_entry_set_rdevmajor(tar.next(), 259);
    archive_entry_set_rdevminor(tar.next(), 300);
    tar.Add("dev/disk", AE_IFBLK, 0660);
    tar.Add("run/pipe", AE_IFIFO, 0600);
    tar.File(std::string(200, 'n') + "/" + std::string(200, 'm'), "x");
    tar.File("opt/old/a", "x");
    tar.File("opt/gone", "x");
    tar.File("srv/one", "x");
  });
  shop.Layer([](TarFile& tar) {
    tar.File("opt/.wh.gone", "");
    tar.Folder("opt/old", 0711);
    tar.File("opt/old/.wh..wh..opq", "");
    tar.File("opt/old/b", "new");
    tar.File("srv", "no folder any more");
    tar.HardLink("etc/ping", "usr/bin/ping");
    tar.File("bin/through", "x");
  });
}

TEST_CASE("a pulled image has on its disk what umoci unpacks, entry by entry",
          "[registry][layers]") {
  if (!testing::HasRegistry()) EMBER_SKIP("docker-registry and skopeo are needed");
  if (!FindProgram("umoci").has_value()) EMBER_SKIP("umoci is needed");
  if (geteuid() != 0) EMBER_SKIP("only root gets all owners and devices from umoci");
  const Registry registry;
  ImageShop shop;
  FillWell(shop);
  const std::string format = GENERATE("oci", "v2s2");
  Publish(shop, registry, "team/full:1", {"--format=" + format});

  Puller puller;
  const OciImage image = ValueOf(puller.Pull(registry.address() + "/team/full:1"));
  REQUIRE_OK(WriteRootfs(LayersRootfs(puller.store(), image), shop.disk(), {}, {}, {}));
  CHECK(testing::FsckComplaint(shop.disk()) == "");

  const Cancellation limit = Cancellation::After(absl::Minutes(1));
  const std::string layout = (shop / "layout").native();
  REQUIRE_OK(
      RunToolForOutput({"skopeo", "--insecure-policy", "copy", "--quiet", "--src-tls-verify=false",
                        "docker://" + registry.address() + "/team/full:1", "oci:" + layout + ":x"},
                       limit));
  REQUIRE_OK(RunToolForOutput(
      {"umoci", "unpack", "--image", layout + ":x", (shop / "bundle").native()}, limit));
  auto theirs = testing::ReadEntries(*ValueOf(OpenDirectorySource(shop / "bundle/rootfs")));
  auto ours = testing::ReadExt4(shop.disk());
  for (auto* tree : {&theirs, &ours}) {
    for (auto& [path, item] : *tree) {
      // What has none in the archive: the folders that nothing describes.
      if (item.entry.type == EntryType::kDirectory && path != "etc" && path != "opt/old") {
        item.entry.mtime = absl::UnixEpoch();
      }
      // An archive says nothing of a link's own size.
      if (item.entry.type != EntryType::kFile) item.entry.size_bytes = 0;
    }
  }
  for (const auto& [path, item] : theirs) {
    INFO(path);
    REQUIRE(ours.contains(path));
    CHECK(ours.at(path) == item);
  }
  CHECK(ours.size() == theirs.size());
}

TEST_CASE("an image for several platforms is pulled for this one, once", "[registry]") {
  if (!testing::HasRegistry()) EMBER_SKIP("docker-registry and skopeo are needed");
  const Registry registry;
  FaultyFront front(registry.port());
  ImageShop shop;
  shop.Layer([](TarFile& tar) { tar.File("a", Noise(2 << 20, 1)); });
  Publish(shop, registry, "many:1");
  Puller puller;
  const OciImage first = ValueOf(puller.Pull(front.address() + "/many:1"));
  const uint64_t bytes = front.bytes_sent();
  CHECK(bytes > 2 << 20);
  // By digest, and all that is there already is not fetched again.
  const std::string exact = front.address() + "/many@" + first.manifest_digest;
  CHECK(ValueOf(puller.Pull(exact)) == first);
  CHECK(front.bytes_sent() - bytes < 64 << 10);
  CHECK(puller.items.at(ShortDigest(first.layers[0].digest)) == "already there");
}

TEST_CASE("a pull that was cut off goes on with the layers that it has", "[registry]") {
  if (!testing::HasRegistry()) EMBER_SKIP("docker-registry and skopeo are needed");
  const Registry registry;
  FaultyFront front(registry.port());
  ImageShop shop;
  shop.Layer([](TarFile& tar) { tar.File("small", "x"); });
  shop.Layer([](TarFile& tar) { tar.File("large", Noise(8 << 20, 2)); });
  Publish(shop, registry, "two:1");
  const std::string name = front.address() + "/two:1";
  Puller puller;
  puller.request.patience = {absl::Seconds(2), 2, absl::Milliseconds(10)};

  SECTION("because its caller went away") {
    front.Break(FaultyFront::Fault::kStall, 1 << 20);
    std::stop_source stop;
    puller.request.patience.stall = absl::Minutes(1);
    puller.on_progress = [&stop](const Progress& progress) {
      if (progress.message == "complete") stop.request_stop();
    };
    const absl::Status status = puller.Pull(name, {stop.get_token(), {}}).status();
    CHECK(absl::IsCancelled(status));
  }
  SECTION("because the registry stalled for good") {
    front.Break(FaultyFront::Fault::kStall, 1 << 20);
    const absl::Status status = puller.Pull(name).status();
    INFO(TextOf(status));
    CHECK(absl::IsDeadlineExceeded(status));
    CHECK(Contains(TextOf(status), "sends nothing"));
  }
  puller.on_progress = {};
  front.Break(FaultyFront::Fault::kNone);
  const OciImage image = ValueOf(puller.Pull(name));
  CHECK(puller.items.at(ShortDigest(image.layers[0].digest)) == "already there");
  CHECK(puller.items.at(ShortDigest(image.layers[1].digest)) == "complete");
}

TEST_CASE("a pull outlives a registry that stalls or breaks off for a while", "[registry]") {
  if (!testing::HasRegistry()) EMBER_SKIP("docker-registry and skopeo are needed");
  const Registry registry;
  FaultyFront front(registry.port());
  ImageShop shop;
  shop.Layer([](TarFile& tar) { tar.File("large", Noise(4 << 20, 3)); });
  Publish(shop, registry, "shaky:1");
  Puller puller;
  puller.request.patience = {absl::Seconds(2), 4, absl::Milliseconds(10)};
  const auto fault = GENERATE(FaultyFront::Fault::kStall, FaultyFront::Fault::kCut);
  front.Break(fault, 1 << 20, 1);
  CHECK(ValueOf(puller.Pull(front.address() + "/shaky:1")).layers.size() == 1);
}

TEST_CASE("a registry that refuses for now is asked again, then told", "[registry]") {
  if (!testing::HasRegistry()) EMBER_SKIP("docker-registry and skopeo are needed");
  const Registry registry;
  FaultyFront front(registry.port());
  front.Break(FaultyFront::Fault::kRefuse);
  Puller puller;
  puller.request.patience = {absl::Seconds(20), 2, absl::Milliseconds(10)};
  int waits = 0;
  puller.on_progress = [&waits](const Progress& progress) { waits += progress.stage == "waiting"; };
  const absl::Status status = puller.Pull(front.address() + "/any:1").status();
  INFO(TextOf(status));
  CHECK(absl::IsResourceExhausted(status));
  CHECK(Contains(TextOf(status), "too many requests"));
  CHECK(waits == 1);
}

TEST_CASE("what can't be pulled is told with what to do", "[registry]") {
  if (!testing::HasRegistry()) EMBER_SKIP("docker-registry and skopeo are needed");
  Puller puller;
  SECTION("no such image") {
    const Registry registry;
    const absl::Status status = puller.Pull(registry.address() + "/none:1").status();
    CHECK(absl::IsNotFound(status));
    CHECK(Contains(TextOf(status), "does not exist"));
  }
  SECTION("a registry that speaks HTTP") {
    const Registry registry;
    puller.request.plain_http = false;
    const absl::Status status = puller.Pull(registry.address() + "/none:1").status();
    CHECK(absl::IsFailedPrecondition(status));
    CHECK(Contains(*HintOf(status), "--plain-http"));
  }
  SECTION("nobody listens") {
    CHECK(absl::IsUnavailable(puller.Pull("127.0.0.1:1/none:1").status()));
  }
  SECTION("other bytes than the digest says") {
    const Registry registry;
    const absl::Status status =
        puller.Pull(registry.address() + "/none@" + DigestBytes("x")).status();
    CHECK(absl::IsNotFound(status));
  }
  CHECK(ValueOf(puller.store().List()).empty());
}

TEST_CASE("an auth file opens a registry that asks for a password", "[registry]") {
  if (!testing::HasRegistry()) EMBER_SKIP("docker-registry and skopeo are needed");
  const Registry registry(testing::RegistryAuth::kPassword);
  ImageShop shop;
  shop.Layer([](TarFile& tar) { tar.File("a", "x"); });
  Publish(shop, registry, "secret:1",
          {fmt::format("--dest-creds={}:{}", Registry::kUser, Registry::kPassword)});
  Puller puller;
  const std::string name = registry.address() + "/secret:1";
  REQUIRE_OK(WriteFileAtomically(shop / "empty.json", "{}", 0600));
  puller.request.auth_file = shop / "empty.json";
  const absl::Status denied = puller.Pull(name).status();
  INFO(TextOf(denied));
  CHECK(absl::IsPermissionDenied(denied));
  CHECK(Contains(*HintOf(denied), "skopeo login " + registry.address()));
  // "tester:secret"
  REQUIRE_OK(WriteFileAtomically(
      shop / "auth.json",
      R"({"auths":{")" + registry.address() + R"(":{"auth":"dGVzdGVyOnNlY3JldA=="}}})", 0600));
  puller.request.auth_file = shop / "auth.json";
  CHECK(ValueOf(puller.Pull(name)).layers.size() == 1);
}

TEST_CASE("a disk that is too small is told before anything is fetched", "[registry]") {
  if (!testing::HasRegistry()) EMBER_SKIP("docker-registry and skopeo are needed");
  testing::LoopFilesystem disk("ext4", 32 << 20);
  if (!disk.mounted()) EMBER_SKIP("no loop device: " + disk.why_not());
  const Registry registry;
  FaultyFront front(registry.port());
  ImageShop shop;
  shop.Layer([](TarFile& tar) { tar.File("large", Noise(24 << 20, 4)); });
  Publish(shop, registry, "large:1");
  Puller puller(disk.root() / "puller");
  const absl::Status status = puller.Pull(front.address() + "/large:1").status();
  INFO(TextOf(status));
  CHECK(absl::IsResourceExhausted(status));
  CHECK(Contains(TextOf(status), " free"));
  CHECK(Contains(TextOf(status), disk.root().native()));
  CHECK(front.bytes_sent() < 1 << 20);
  CHECK(ValueOf(puller.store().List()).empty());
}

// Takes all that is free where `path` is to be.
void FillDisk(const std::filesystem::path& path) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  EMBER_CHECK(fd.valid());
  for (std::string piece(64 << 10, 'x'); !piece.empty();) {
    if (write(fd.get(), piece.data(), piece.size()) < 0) piece.resize(piece.size() / 2);
  }
}

TEST_CASE("a disk that fills up during a pull is told, and costs only what had not arrived",
          "[registry]") {
  if (!testing::HasRegistry()) EMBER_SKIP("docker-registry and skopeo are needed");
  testing::LoopFilesystem disk("ext4", 96 << 20);
  if (!disk.mounted()) EMBER_SKIP("no loop device: " + disk.why_not());
  const Registry registry;
  FaultyFront front(registry.port());
  ImageShop shop;
  shop.Layer([](TarFile& tar) { tar.File("large", Noise(24 << 20, 5)); });
  Publish(shop, registry, "large:1");
  Puller puller(disk.root() / "puller");
  // It stands still until the disk is full, and would go on then.
  front.Break(FaultyFront::Fault::kStall, 1 << 20, 1);
  puller.request.patience = {absl::Seconds(5), 3, absl::Milliseconds(10)};
  bool full = false;
  puller.on_progress = [&](const Progress& progress) {
    if (progress.stage == "downloading" && !std::exchange(full, true)) {
      FillDisk(disk.root() / "filler");
    }
  };
  const absl::Status status = puller.Pull(front.address() + "/large:1").status();
  INFO(TextOf(status));
  CHECK(absl::IsResourceExhausted(status));
  CHECK(Contains(TextOf(status), "no space left on device"));
  CHECK(ValueOf(puller.store().List()).empty());
  std::filesystem::remove(disk.root() / "filler");
  CHECK(ValueOf(puller.Pull(front.address() + "/large:1")).layers.size() == 1);
}

}  // namespace
}  // namespace ember::images
