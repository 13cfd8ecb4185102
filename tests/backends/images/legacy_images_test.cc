#include <fmt/format.h>
#include <sys/stat.h>

#include "backends/images/file_digest.h"
#include "backends/images/image_store.h"
#include "base/file.h"
#include "base/status.h"
#include "base/subprocess.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

// State directories of before images were kept by their content.
namespace ember::images {
namespace {

using testing::ValueOf;

// <dir>/<name>/{rootfs.ext4,image.json} as earlier versions wrote them.
class OldState {
 public:
  std::string Add(const std::string& name, const std::string& content) {
    REQUIRE_OK(MakeDirectories(dir() / name, 0755));
    REQUIRE_OK(WriteFileAtomically(Rootfs(name), content, 0444));
    const std::string digest = DigestBytes(content);
    REQUIRE_OK(
        WriteFileAtomically(dir() / name / "image.json",
                            fmt::format(R"({{"source":"tar:x","digest":"{}","size_bytes":{},)"
                                        R"("created_at":"2026-01-01T00:00:00.000000000Z"}})",
                                        digest, content.size()),
                            0644));
    return digest;
  }
  std::filesystem::path dir() const { return dir_ / "images"; }
  std::filesystem::path Rootfs(const std::string& name) const {
    return dir() / name / "rootfs.ext4";
  }
  std::unique_ptr<ImageStore> Open() const { return ValueOf(ImageStore::Open(dir())); }

 private:
  testing::TempDir dir_;
};

bool SameFile(const std::filesystem::path& one, const std::filesystem::path& other) {
  struct stat a {
  }, b{};
  return stat(one.c_str(), &a) == 0 && stat(other.c_str(), &b) == 0 && a.st_ino == b.st_ino;
}

TEST_CASE("images of an earlier version are brought over, once", "[images][legacy]") {
  OldState old;
  const std::string digest = old.Add("debian", "content");
  for (int start = 0; start < 2; ++start) {
    const auto store = old.Open();
    const ImageRecord image = ValueOf(store->Get("debian"));
    CHECK(image.digest == digest);
    CHECK(image.source == "tar:x");
    CHECK(image.size_bytes == 7);
    CHECK(image.created_at == absl::FromUnixSeconds(1767225600));
    CHECK(image.config == ImageConfig());
    // Disks of VMs name the old path.
    CHECK(SameFile(old.Rootfs("debian"), image.rootfs));
  }
}

TEST_CASE("an image may have been called as a folder of the store is", "[images][legacy]") {
  OldState old;
  for (const char* name : {"rootfs", "records", "names", "blobs"}) old.Add(name, name);
  const auto store = old.Open();
  CHECK(ValueOf(store->List()).size() == 4);
  CHECK(SameFile(old.Rootfs("rootfs"), ValueOf(store->Get("rootfs")).rootfs));
  REQUIRE_OK(store->Delete("rootfs"));
  CHECK_FALSE(std::filesystem::exists(old.Rootfs("rootfs")));
  CHECK(old.Open()->Get("names").ok());
}

TEST_CASE("two old images with one content share it", "[images][legacy]") {
  OldState old;
  old.Add("one", "same");
  old.Add("two", "same");
  const auto store = old.Open();
  CHECK(ValueOf(store->Get("one")).id == ValueOf(store->Get("two")).id);
  CHECK(SameFile(old.Rootfs("one"), old.Rootfs("two")));
  REQUIRE_OK(store->Delete("one"));
  CHECK(std::filesystem::exists(old.Rootfs("one")));  // a disk may lie over it
  REQUIRE_OK(store->Delete("two"));
  CHECK_FALSE(std::filesystem::exists(old.dir() / "one"));
  CHECK_FALSE(std::filesystem::exists(old.dir() / "two"));
}

TEST_CASE("a disk that lies over an old path still opens", "[images][legacy]") {
  if (!FindProgram("qemu-img").has_value()) EMBER_SKIP("qemu-img is not installed");
  OldState old;
  old.Add("debian", std::string(65536, 'x'));
  const std::filesystem::path disk = old.dir().parent_path() / "disk.qcow2";
  const Cancellation soon = Cancellation::After(absl::Minutes(1));
  REQUIRE_OK(RunToolForOutput({"qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b",
                               old.Rootfs("debian").native(), disk.native()},
                              soon));
  const auto store = old.Open();
  const std::filesystem::path copy = old.dir().parent_path() / "copy.img";
  REQUIRE_OK(
      RunToolForOutput({"qemu-img", "convert", "-O", "raw", disk.native(), copy.native()}, soon));
  CHECK(ValueOf(DigestFile(copy, {}, soon)) == ValueOf(store->Get("debian")).digest);
}

TEST_CASE("a move that was cut off goes on at the next start", "[images][legacy]") {
  OldState old;
  const std::string digest = old.Add("debian", "content");
  const std::filesystem::path record = old.dir() / "debian" / "image.json";
  const std::string description = ValueOf(ReadFile(record));
  old.Open();
  // As if the last step, the end of the old record, had not been.
  REQUIRE_OK(WriteFileAtomically(record, description, 0644));
  SECTION("only that") {}
  SECTION("nor the name") { std::filesystem::remove(old.dir() / "names" / "debian"); }
  CHECK(ValueOf(old.Open()->Get("debian")).digest == digest);
  CHECK_FALSE(std::filesystem::exists(record));
}

TEST_CASE("a damaged old image is told by its path and stays", "[images][legacy]") {
  OldState old;
  old.Add("debian", "content");
  const std::filesystem::path record = old.dir() / "debian" / "image.json";
  SECTION("no JSON") { REQUIRE_OK(WriteFileAtomically(record, "{", 0644)); }
  SECTION("no digest") { REQUIRE_OK(WriteFileAtomically(record, "{}", 0644)); }
  const auto store = old.Open();
  const absl::Status status = store->Get("debian").status();
  CHECK(absl::IsDataLoss(status));
  CHECK(Message(status).find("debian/image.json") != std::string_view::npos);
  CHECK(std::filesystem::exists(old.Rootfs("debian")));
}

}  // namespace
}  // namespace ember::images
