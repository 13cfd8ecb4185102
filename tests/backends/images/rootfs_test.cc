#include "backends/images/rootfs.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <fstream>

#include "backends/images/archive_source.h"
#include "backends/images/directory_source.h"
#include "base/file.h"
#include "base/status.h"
#include "tests/backends/images/ext4_tools.h"
#include "tests/backends/images/tar_file.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember::images {
namespace {

using testing::Contains;
using testing::Debugfs;
using testing::FsckComplaint;
using testing::TarFile;

// An archive that becomes an image.
class Workshop {
 public:
  const std::filesystem::path tar() const { return dir_ / "in.tar"; }
  const std::filesystem::path image() const { return dir_ / "out.ext4"; }
  const std::filesystem::path folder() const { return dir_ / "tree"; }

  absl::StatusOr<uint64_t> WriteTar(const RootfsOptions& options = {}) {
    RootfsSource source;
    source.open = [this] { return OpenArchiveSource(tar()); };
    source.unpacked_size = UnpackedSize(tar());
    return Write(source, options);
  }
  absl::StatusOr<uint64_t> WriteFolder() {
    RootfsSource source;
    source.open = [this] { return OpenDirectorySource(folder()); };
    return Write(source, {});
  }
  absl::StatusOr<uint64_t> Write(const RootfsSource& source, const RootfsOptions& options) {
    return WriteRootfs(source, image(), options, {}, Cancellation::After(absl::Minutes(2)));
  }
  std::string Show(const std::string& request) { return Debugfs(image(), request); }

 private:
  testing::TempDir dir_;
};

std::string Stretch(size_t size, char seed) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>(seed + i * 7 + i / 4096);
  return text;
}

TEST_CASE("every kind of entry arrives with its owner, mode, time and attributes",
          "[images][ext4]") {
  if (!testing::HasExt4Tools()) EMBER_SKIP("e2fsprogs are not installed");
  Workshop shop;
  const std::string content = Stretch(300'000, 'a');
  const std::string long_target(200, 't');
  {
    TarFile tar(shop.tar());
    tar.Folder("./");
    tar.Folder("etc/", 0750);
    archive_entry_set_uid(tar.next(), 70'000);
    archive_entry_set_gid(tar.next(), 80'000);
    archive_entry_set_mtime(tar.next(), 5'000'000'000, 123'456'789);
    archive_entry_xattr_add_entry(tar.next(), "user.note", "hello", 5);
    archive_entry_xattr_add_entry(tar.next(), "security.capability", "\1\0\0\2\0\4\0\0", 8);
    tar.File("./usr/bin/ping", content, 04755);
    tar.HardLink("usr/bin/ping6", "usr/bin/ping");
    tar.Symlink("short", "usr/bin/ping");
    tar.Symlink("long", long_target);
    archive_entry_set_rdevmajor(tar.next(), 5);
    archive_entry_set_rdevminor(tar.next(), 1);
    tar.Add("dev/console", AE_IFCHR, 0600);
    archive_entry_set_rdevmajor(tar.next(), 259);
    archive_entry_set_rdevminor(tar.next(), 300);
    tar.Add("dev/disk", AE_IFBLK, 0660);
    tar.Add("run/pipe", AE_IFIFO, 0600);
    tar.File(std::string(250, 'n'), "x");
    tar.File("caf\xc3\xa9", "utf-8");
  }
  REQUIRE_OK(shop.WriteTar());
  CHECK(FsckComplaint(shop.image()) == "");
  const std::string ping = shop.Show("stat /usr/bin/ping");
  CHECK(Contains(ping, "Mode:  04755"));
  CHECK(Contains(ping, "User: 70000   Group: 80000"));
  CHECK(Contains(ping, "Links: 2"));
  CHECK(Contains(ping, "Size: 300000"));
  CHECK(Contains(ping, ":1d6f3455"));  // 123456789 << 2, and the epoch bit of a time after 2106
  CHECK(Contains(ping, "user.note"));
  CHECK(Contains(ping, "security.capability"));
  CHECK(shop.Show("cat /usr/bin/ping6") == content);
  CHECK(Contains(shop.Show("stat /etc"), "Mode:  0750"));
  CHECK(Contains(shop.Show("stat /short"), "Fast link dest: \"usr/bin/ping\""));
  CHECK(Contains(shop.Show("stat /long"), "Size: 200"));
  CHECK(Contains(shop.Show("stat /dev/console"), "05:01"));
  CHECK(Contains(shop.Show("stat /dev/disk"), "Type: block"));
  CHECK(Contains(shop.Show("stat /dev/disk"), "259:300"));
  CHECK(Contains(shop.Show("stat /run/pipe"), "Type: FIFO"));
  CHECK(shop.Show("cat /" + std::string(250, 'n')) == "x");
  CHECK(shop.Show("cat /caf\xc3\xa9") == "utf-8");
}

TEST_CASE("POSIX ACLs of an archive arrive", "[images][ext4]") {
  if (!testing::HasExt4Tools()) EMBER_SKIP("e2fsprogs are not installed");
  Workshop shop;
  {
    TarFile tar(shop.tar());
    for (const auto& [tag, id] : {std::pair{ARCHIVE_ENTRY_ACL_USER_OBJ, -1},
                                  {ARCHIVE_ENTRY_ACL_USER, 1000},
                                  {ARCHIVE_ENTRY_ACL_GROUP_OBJ, -1},
                                  {ARCHIVE_ENTRY_ACL_MASK, -1},
                                  {ARCHIVE_ENTRY_ACL_OTHER, -1}}) {
      archive_entry_acl_add_entry(tar.next(), ARCHIVE_ENTRY_ACL_TYPE_ACCESS, 6, tag, id, nullptr);
    }
    tar.File("shared", "x", 0666);
  }
  REQUIRE_OK(shop.WriteTar());
  CHECK(FsckComplaint(shop.image()) == "");
  CHECK(Contains(shop.Show("ea_list /shared"), "system.posix_acl_access"));
}

TEST_CASE("holes of a sparse file stay holes", "[images][ext4]") {
  if (!testing::HasExt4Tools()) EMBER_SKIP("e2fsprogs are not installed");
  Workshop shop;
  std::filesystem::create_directory(shop.folder());
  {
    std::ofstream file(shop.folder() / "sparse");
    for (const int offset : {0, 64 << 20, 128 << 20, 192 << 20, 256 << 20, 320 << 20}) {
      file.seekp(offset);
      file << "data at " << offset;
    }
  }
  REQUIRE_OK(shop.WriteFolder());
  CHECK(FsckComplaint(shop.image()) == "");
  CHECK(std::filesystem::file_size(shop.image()) == kExt4DefaultMinSize);
  const std::string sparse = shop.Show("stat /sparse");
  INFO(sparse);
  CHECK(Contains(sparse, "Size: 335544337"));
  CHECK(Contains(sparse, "Blockcount: 56"));  // six blocks of data and one of extents
  const auto copy = shop.folder() / "copy";
  shop.Show("dump /sparse " + copy.native());
  std::ifstream read(copy);
  read.seekg(256 << 20);
  std::string words;
  std::getline(read, words, '\0');
  CHECK(words == "data at 268435456");
}

TEST_CASE("a folder of the host is imported with its hard links and attributes", "[images][ext4]") {
  if (!testing::HasExt4Tools()) EMBER_SKIP("e2fsprogs are not installed");
  Workshop shop;
  std::filesystem::create_directories(shop.folder() / "a/b");
  REQUIRE_OK(WriteFileAtomically(shop.folder() / "a/one", "content", 0640));
  std::filesystem::create_hard_link(shop.folder() / "a/one", shop.folder() / "a/b/two");
  std::filesystem::create_symlink("/a/one", shop.folder() / "link");
  REQUIRE(mkfifo((shop.folder() / "fifo").c_str(), 0600) == 0);
  REQUIRE_OK(shop.WriteFolder());
  CHECK(FsckComplaint(shop.image()) == "");
  CHECK(shop.Show("cat /a/b/two") == "content");
  CHECK(Contains(shop.Show("stat /a/one"), "Links: 2"));
  CHECK(Contains(shop.Show("stat /link"), "Fast link dest: \"/a/one\""));
}

TEST_CASE("a later entry replaces an earlier one and its blocks are free again", "[images][ext4]") {
  if (!testing::HasExt4Tools()) EMBER_SKIP("e2fsprogs are not installed");
  Workshop shop;
  {
    TarFile tar(shop.tar());
    const std::string large_value(1000, 'v');
    for (int i = 0; i < 40; ++i) {
      archive_entry_xattr_add_entry(tar.next(), "user.big", large_value.data(), 1000);
      tar.File("big", Stretch(4 << 20, static_cast<char>(i)));
    }
    tar.File("kept", "kept");
    tar.HardLink("other", "kept");
    tar.File("kept", "new");
    tar.Symlink("big", "kept");
    tar.Folder("dir", 0700);
    tar.File("dir/x", "x");
    tar.Folder("dir", 0711);
  }
  RootfsOptions options;
  options.size_bytes = 64 * kMiB;  // less than all that passed through it
  REQUIRE_OK(shop.WriteTar(options));
  CHECK(FsckComplaint(shop.image()) == "");
  CHECK(shop.Show("cat /kept") == "new");
  CHECK(shop.Show("cat /other") == "kept");
  CHECK(Contains(shop.Show("stat /big"), "Fast link dest: \"kept\""));
  CHECK(Contains(shop.Show("stat /dir"), "Mode:  0711"));
  CHECK(shop.Show("cat /dir/x") == "x");
}

TEST_CASE("a folder of thousands of names and a file of many extents are sound", "[images][ext4]") {
  if (!testing::HasExt4Tools()) EMBER_SKIP("e2fsprogs are not installed");
  Workshop shop;
  {
    TarFile tar(shop.tar());
    for (int i = 0; i < 9000; ++i) tar.File(fmt::format("many/entry-{:06}", i), "");
    tar.File("last", "x");
  }
  REQUIRE_OK(shop.WriteTar());
  CHECK(FsckComplaint(shop.image()) == "");
  CHECK(Contains(shop.Show("stat /many/entry-008999"), "Type: regular"));
}

TEST_CASE("paths stay within the root", "[images][ext4]") {
  Workshop shop;
  SECTION("'..' is refused with the entry's name") {
    { TarFile(shop.tar()).File("etc/../../evil", "x"); }
    const absl::Status status = shop.WriteTar().status();
    CHECK(status.code() == absl::StatusCode::kInvalidArgument);
    CHECK(Contains(std::string(Message(status)), "'etc/../../evil' has '..' in its path"));
  }
  SECTION("an entry through a link to a file outside is refused") {
    {
      TarFile tar(shop.tar());
      tar.Symlink("out", "/etc/../../tmp/none");
      tar.File("out/evil", "x");
    }
    CHECK(Contains(std::string(Message(shop.WriteTar().status())), "'out/evil'"));
  }
  SECTION("links that lead in a circle are refused") {
    {
      TarFile tar(shop.tar());
      tar.Symlink("a", "b");
      tar.Symlink("b", "a");
      tar.File("a/x", "x");
    }
    CHECK(Contains(std::string(Message(shop.WriteTar().status())), "too many symbolic links"));
  }
  SECTION("a hard link to what is not there is refused") {
    { TarFile(shop.tar()).HardLink("a", "etc/passwd"); }
    CHECK(Contains(std::string(Message(shop.WriteTar().status())), "does not come before it"));
  }
  SECTION("a folder can't be made out of a file") {
    {
      TarFile tar(shop.tar());
      tar.File("a", "x");
      tar.File("a/b", "x");
    }
    CHECK(Contains(std::string(Message(shop.WriteTar().status())), "no folder"));
  }
  CHECK_FALSE(std::filesystem::exists(shop.image()));
}

TEST_CASE("absolute names and links to folders are followed within the root", "[images][ext4]") {
  if (!testing::HasExt4Tools()) EMBER_SKIP("e2fsprogs are not installed");
  Workshop shop;
  {
    TarFile tar(shop.tar());
    tar.Folder("usr/bin");
    tar.Symlink("bin", "/../usr/bin");
    tar.File("/bin//./tool", "tool");
  }
  REQUIRE_OK(shop.WriteTar());
  CHECK(FsckComplaint(shop.image()) == "");
  CHECK(shop.Show("cat /usr/bin/tool") == "tool");
}

TEST_CASE("what is no archive, or only the first half of one, is refused by name",
          "[images][archive]") {
  Workshop shop;
  SECTION("text") { REQUIRE_OK(WriteFileAtomically(shop.tar(), "just some text\n", 0644)); }
  SECTION("nothing") { REQUIRE_OK(WriteFileAtomically(shop.tar(), "", 0644)); }
  SECTION("truncated") {
    { TarFile(shop.tar()).File("file", Stretch(1 << 20, 'x')); }
    std::filesystem::resize_file(shop.tar(), 500'000);
  }
  SECTION("truncated gzip") {
    { TarFile(shop.tar(), archive_write_add_filter_gzip).File("file", Stretch(1 << 20, 'x')); }
    std::filesystem::resize_file(shop.tar(), std::filesystem::file_size(shop.tar()) / 2);
  }
  SECTION("damaged header") {
    {
      TarFile tar(shop.tar());
      tar.File("one", Stretch(4096, 'x'));
      tar.File("two", "x");
    }
    std::string bytes = testing::ValueOf(ReadFile(shop.tar()));
    bytes[bytes.find("two")] ^= 0x15;
    REQUIRE_OK(WriteFileAtomically(shop.tar(), bytes, 0644));
  }
  const absl::Status status = shop.WriteTar().status();
  INFO(status.ToString());
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  CHECK(Contains(std::string(Message(status)), shop.tar().native()));
  CHECK_FALSE(std::filesystem::exists(shop.image()));
}

TEST_CASE("compressed archives are recognised by their content", "[images][archive]") {
  if (!testing::HasExt4Tools()) EMBER_SKIP("e2fsprogs are not installed");
  const auto filter = GENERATE(archive_write_add_filter_gzip, archive_write_add_filter_xz,
                               archive_write_add_filter_zstd, archive_write_add_filter_bzip2);
  Workshop shop;
  const std::string content = Stretch(3 << 20, 'z');
  { TarFile(shop.tar(), filter).File("file", content); }
  REQUIRE_OK(shop.WriteTar());
  CHECK(shop.Show("cat /file").size() == std::min<size_t>(content.size(), 1 << 20));
  CHECK(FsckComplaint(shop.image()) == "");
}

TEST_CASE("a size that is too small is refused with the size that is needed", "[images][ext4]") {
  Workshop shop;
  { TarFile(shop.tar()).File("file", Stretch(40 << 20, 'x')); }
  RootfsOptions options;
  options.size_bytes = 32 * kMiB;
  const absl::Status status = shop.WriteTar(options).status();
  INFO(status.ToString());
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  CHECK(Contains(std::string(Message(status)), "32M is too small: the content needs"));
  CHECK_FALSE(std::filesystem::exists(shop.image()));
}

TEST_CASE("a wrong guess at the content is made good by counting", "[images][ext4]") {
  if (!testing::HasExt4Tools()) EMBER_SKIP("e2fsprogs are not installed");
  Workshop shop;
  { TarFile(shop.tar()).File("file", Stretch(100 << 20, 'x')); }
  RootfsSource source;
  source.open = [&shop] { return OpenArchiveSource(shop.tar()); };
  source.unpacked_size = 4096;
  REQUIRE_OK(shop.Write(source, {}));
  CHECK(FsckComplaint(shop.image()) == "");
  CHECK(Contains(shop.Show("stat /file"), "Size: 104857600"));
}

TEST_CASE("an archive with more content than allowed is refused", "[images][ext4]") {
  Workshop shop;
  { TarFile(shop.tar()).File("file", Stretch(2 << 20, 'x')); }
  RootfsOptions options;
  options.max_content_bytes = kMiB;
  CHECK(shop.WriteTar(options).status().code() == absl::StatusCode::kResourceExhausted);
  CHECK_FALSE(std::filesystem::exists(shop.image()));
}

TEST_CASE("a host that is full leaves nothing behind", "[images][ext4]") {
  Workshop shop;
  { TarFile(shop.tar()).File("file", Stretch(8 << 20, 'x')); }
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const rlimit small{4 << 20, before.rlim_max};
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  const absl::Status status = shop.WriteTar().status();
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  INFO(status.ToString());
  CHECK(status.code() == absl::StatusCode::kResourceExhausted);
  CHECK(Contains(std::string(Message(status)), shop.image().native()));
  CHECK_FALSE(std::filesystem::exists(shop.image()));
}

TEST_CASE("an image can grow far beyond its first size", "[images][ext4]") {
  if (!FindProgram("resize2fs").has_value()) EMBER_SKIP("resize2fs is not installed");
  Workshop shop;
  { TarFile(shop.tar()).File("file", "still here"); }
  REQUIRE_OK(shop.WriteTar());
  std::filesystem::resize_file(shop.image(), 64 * kGiB);
  REQUIRE_OK(RunToolForOutput({"resize2fs", "-f", shop.image().native()},
                              Cancellation::After(absl::Minutes(1))));
  CHECK(FsckComplaint(shop.image()) == "");
  CHECK(shop.Show("cat /file") == "still here");
}

}  // namespace
}  // namespace ember::images
