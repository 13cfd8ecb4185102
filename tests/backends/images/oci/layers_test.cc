#include "backends/images/oci/layers.h"

#include <sys/stat.h>

#include "base/status.h"
#include "tests/backends/images/oci/image_shop.h"
#include "tests/support/catch.h"
#include "tests/support/loop_filesystem.h"
#include "tests/support/text.h"

namespace ember::images {
namespace {

using testing::EntryMap;
using testing::ImageShop;
using testing::TarFile;
using testing::TextOf;
using testing::ValueOf;

std::string Names(const EntryMap& entries) {
  std::string names;
  for (const auto& [path, item] : entries) names += path + " ";
  return names;
}

TEST_CASE("a whiteout takes away what lower layers have, and only that", "[images][layers]") {
  ImageShop shop;
  shop.Layer([](TarFile& tar) {
    tar.File("gone", "x");
    tar.File("kept", "x");
    tar.Folder("dir");
    tar.File("dir/a", "x");
    tar.File("dir/b/c", "x");
    tar.Folder("again", 0700);
    tar.File("again/old", "x");
  });
  shop.Layer([](TarFile& tar) {
    tar.File(".wh.gone", "");
    tar.File(".wh.dir", "");
    tar.File(".wh.never-there", "");
    tar.File("no/such/.wh.folder", "");
    // What comes with the same layer stays, though its whiteout follows.
    tar.Folder("again", 0711);
    tar.File("again/new", "x");
    tar.File(".wh.again", "");
  });
  const EntryMap disk = shop.DiskEntries();
  CHECK(Names(disk) == " again again/new kept ");
  CHECK(disk.at("again").entry.mode == 0711);
}

TEST_CASE("an opaque folder hides lower layers, wherever its marker stands", "[images][layers]") {
  ImageShop shop;
  shop.Layer([](TarFile& tar) {
    tar.File("first/old", "x");
    tar.File("last/old", "x");
    tar.File("last/deep/old", "x");
  });
  shop.Layer([](TarFile& tar) {
    tar.Folder("first");
    tar.File("first/.wh..wh..opq", "");
    tar.File("first/new", "x");
    tar.Folder("last");
    tar.File("last/deep/new", "x");
    tar.File("last/new", "x");
    tar.File("last/.wh..wh..opq", "");
  });
  CHECK(Names(shop.DiskEntries()) == " first first/new last last/deep last/deep/new last/new ");
}

TEST_CASE("an opaque root leaves a sound filesystem", "[images][layers]") {
  ImageShop shop;
  shop.Layer([](TarFile& tar) { tar.File("old", "x"); });
  shop.Layer([](TarFile& tar) {
    tar.File(".wh..wh..opq", "");
    tar.File(".wh.lost+found", "");
    tar.File("new", "x");
  });
  CHECK(Names(shop.DiskEntries()) == " new ");
}

TEST_CASE("upper layers replace files by folders and folders by files", "[images][layers]") {
  ImageShop shop;
  shop.Layer([](TarFile& tar) {
    tar.File("file", "x");
    tar.File("folder/a/b", "x");
    tar.Folder("usr/lib");
    tar.Symlink("lib", "usr/lib");
    tar.Symlink("link", "usr/lib");
  });
  shop.Layer([](TarFile& tar) {
    tar.Folder("file", 0700);
    tar.File("folder", "now a file");
    tar.File("lib/through", "x");
    tar.Folder("link");
    tar.File("link/inside", "x");
  });
  const EntryMap disk = shop.DiskEntries();
  CHECK(Names(disk) == " file folder lib link link/inside usr usr/lib usr/lib/through ");
  CHECK(disk.at("folder").content == "now a file");
  CHECK(disk.at("lib").entry.type == EntryType::kSymlink);
  CHECK(disk.at("link").entry.type == EntryType::kDirectory);
}

TEST_CASE("a whiteout through a link to a folder stays within the root", "[images][layers]") {
  ImageShop shop;
  shop.Layer([](TarFile& tar) {
    tar.File("usr/bin/tool", "x");
    tar.Symlink("bin", "../../usr/bin");
  });
  shop.Layer([](TarFile& tar) { tar.File("bin/.wh.tool", ""); });
  CHECK(Names(shop.DiskEntries()) == " bin usr usr/bin ");
}

TEST_CASE("hard links reach into lower layers and survive their first name", "[images][layers]") {
  ImageShop shop;
  shop.Layer([](TarFile& tar) { tar.File("one", "content"); });
  shop.Layer([](TarFile& tar) {
    tar.HardLink("two", "one");
    tar.HardLink("three", "one");
  });
  shop.Layer([](TarFile& tar) { tar.File(".wh.one", ""); });
  const EntryMap disk = shop.DiskEntries();
  CHECK(Names(disk) == " three two ");
  CHECK(disk.at("three").content == "content");
  CHECK(disk.at("two").entry.target == "three");
}

TEST_CASE("hard links that lead in a circle are refused", "[images][layers]") {
  ImageShop shop;
  shop.Layer([](TarFile& tar) {
    tar.HardLink("a", "b");
    tar.HardLink("b", "a");
  });
  CHECK(testing::Contains(TextOf(shop.WriteDisk().status()), "does not come before it"));
  CHECK_FALSE(std::filesystem::exists(shop.disk()));
}

TEST_CASE("attributes, owners, times and holes come through layers", "[images][layers]") {
  ImageShop shop;
  const std::string capability("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  shop.Layer([&](TarFile& tar) {
    archive_entry_set_uid(tar.next(), 100'000);
    archive_entry_set_gid(tar.next(), 3'000'000'000);
    archive_entry_set_mtime(tar.next(), 1'600'000'000, 123'456'789);
    archive_entry_xattr_add_entry(tar.next(), "security.capability", capability.data(), 20);
    tar.File("ping", "x", 04755);
    const std::string acl(
        "\2\0\0\0\1\0\6\0\xff\xff\xff\xff\2\0\4\0\xe8\3\0\0"
        "\4\0\4\0\xff\xff\xff\xff\x10\0\4\0\xff\xff\xff\xff"
        "\x20\0\4\0\xff\xff\xff\xff",
        44);
    archive_entry_xattr_add_entry(tar.next(), "system.posix_acl_access", acl.data(), acl.size());
    tar.File("shared", "x", 0644);
    archive_entry_sparse_add_entry(tar.next(), 1 << 20, 4096);
    tar.File("sparse", std::string(2 << 20, '\0'));
  });
  const EntryMap disk = shop.DiskEntries();
  const Entry& ping = disk.at("ping").entry;
  CHECK(ping.uid == 100'000);
  CHECK(ping.gid == 3'000'000'000);
  CHECK(ping.mode == 04755);
  CHECK(ping.mtime == absl::FromUnixNanos(1'600'000'000'123'456'789));
  CHECK(ping.xattrs.at("security.capability") == capability);
  CHECK(disk.at("shared").entry.xattrs.at("system.posix_acl_access").size() == 44);
  CHECK(disk.at("sparse").entry.size_bytes == 2 << 20);
}

TEST_CASE("gzip, zstd and plain layers make the same disk", "[images][layers]") {
  const auto filter = GENERATE(archive_write_add_filter_gzip, archive_write_add_filter_zstd,
                               archive_write_add_filter_none);
  ImageShop shop;
  shop.Layer([](TarFile& tar) { tar.File("file", std::string(100'000, 'c')); }, filter);
  shop.Layer([](TarFile&) {}, filter);  // a layer that changes nothing
  CHECK(shop.DiskEntries().at("file").content == std::string(100'000, 'c'));
}

TEST_CASE("the same layers make the same bytes", "[images][layers]") {
  const auto digest = [] {
    ImageShop shop;
    shop.Layer([](TarFile& tar) {
      for (int i = 0; i < 300; ++i) tar.File(fmt::format("d{}/f{}", i % 7, i), std::string(i, 'x'));
      tar.File("big", std::string(3 << 20, 'b'));
    });
    shop.Layer([](TarFile& tar) {
      tar.File(".wh.d3", "");
      tar.File("big", "small");
      tar.HardLink("link", "d1/f1");
    });
    REQUIRE_OK(shop.WriteDisk());
    return ValueOf(DigestFile(shop.disk(), {}, {}));
  };
  CHECK(digest() == digest());
}

TEST_CASE("what upper layers take away makes room, in the filesystem and on the host",
          "[images][layers]") {
  ImageShop shop;
  for (int i = 0; i < 12; ++i) {
    shop.Layer([i](TarFile& tar) {
      for (int part = 0; part < 8; ++part) {
        std::string content(1 << 20, '\0');
        for (size_t at = 0; at < content.size(); at += 8) content[at] = static_cast<char>(i + at);
        tar.File(fmt::format("data/{}", part), content);
      }
    });
  }
  shop.Layer([](TarFile& tar) { tar.File(".wh.data", ""); });
  RootfsOptions options;
  options.size_bytes = 64 * kMiB;  // of the 96 that pass through it
  REQUIRE_OK(shop.WriteDisk(options));
  CHECK(testing::FsckComplaint(shop.disk()) == "");
  CHECK(Names(testing::ReadExt4(shop.disk())) == " ");
  struct stat about {};
  REQUIRE(stat(shop.disk().c_str(), &about) == 0);
  CHECK(about.st_blocks * 512 < 4 << 20);
}

TEST_CASE("a layer that is not what its image says is refused by name", "[images][layers]") {
  ImageShop shop;
  const auto sound = shop / "sound.tar";
  {
    TarFile tar(sound, archive_write_add_filter_gzip);
    std::string noise(1 << 20, '\0');
    for (size_t i = 0; i < noise.size(); ++i) noise[i] = static_cast<char>(i * i >> 7);
    tar.File("file", noise);
  }
  std::string bytes = ValueOf(ReadFile(sound));
  const auto refused = [&shop](const std::string& layer, std::string_view words) {
    shop.AddBlob(layer, kOciLayerGzip, DigestBytes("something else"));
    const absl::Status status = shop.WriteDisk().status();
    INFO(TextOf(status));
    CHECK(testing::Contains(TextOf(status), "layer " + ShortDigest(DigestBytes(layer))));
    CHECK(testing::Contains(TextOf(status), words));
    CHECK_FALSE(std::filesystem::exists(shop.disk()));
  };
  SECTION("other bytes") { refused(bytes, "its digest should be"); }
  SECTION("truncated gzip") { refused(bytes.substr(0, bytes.size() / 2), "truncated gzip"); }
  SECTION("no archive") { refused("just some words", "layer"); }
  SECTION("much behind its end") {
    { TarFile(sound).File("file", "x"); }
    refused(ValueOf(ReadFile(sound)) + std::string(20 << 20, '\0'), "behind its end");
  }
}

TEST_CASE("paths of layers stay within the root", "[images][layers]") {
  ImageShop shop;
  const auto refused = [&shop](const std::string& path) {
    shop.Layer([&path](TarFile& tar) { tar.File(path, ""); });
    return absl::IsInvalidArgument(shop.WriteDisk().status()) &&
           !std::filesystem::exists(shop.disk());
  };
  SECTION("..") { CHECK(refused("a/../../b")); }
  SECTION("whiteout of ..") { CHECK(refused("a/.wh...")); }
  SECTION("whiteout of .") { CHECK(refused("a/.wh..")); }
  SECTION("whiteout of nothing") { CHECK(refused("a/.wh.")); }
  SECTION("below ..") { CHECK(refused("../.wh.b")); }
}

TEST_CASE("a bomb ends at the limit and leaves nothing", "[images][layers]") {
  ImageShop shop;
  shop.Layer([](TarFile& tar) { tar.File("zeros", std::string(60 << 20, '\0')); });
  RootfsOptions options;
  options.max_content_bytes = 8 * kMiB;
  const absl::Status status = shop.WriteDisk(options).status();
  CHECK(absl::IsResourceExhausted(status));
  CHECK(testing::Contains(TextOf(status), "more than 8M"));
  CHECK_FALSE(std::filesystem::exists(shop.disk()));
}

TEST_CASE("a disk that gets full at any point leaves nothing of it", "[images][layers]") {
  testing::LoopFilesystem host("ext4", 24 << 20);
  if (!host.mounted()) EMBER_SKIP("no loop device: " + host.why_not());
  ImageShop shop;
  for (int i = 0; i < 3; ++i) {
    shop.Layer([i](TarFile& tar) {
      for (int part = 0; part < 8; ++part) {
        tar.File(fmt::format("{}/{}", i, part), std::string(256 << 10, 'x'));
        if (i > 0) tar.File(fmt::format("{}/.wh.{}", i - 1, part), "");
      }
    });
  }
  const auto disk = host.root() / "disk.ext4";
  const auto write = [&] {
    return WriteRootfs(LayersRootfs(shop.store(), shop.Image()), disk, {}, {}, {}).status();
  };
  const auto filler = host.root() / "filler";
  uint64_t full = 0;
  for (uint64_t free = 128 << 10; free < 8 << 20; free += 512 << 10) {
    const uint64_t there = std::filesystem::space(host.root()).available;
    REQUIRE(there > free);
    REQUIRE_OK(RunToolForOutput({"fallocate", "-l", std::to_string(there - free), filler}, {}));
    const absl::Status status = write();
    INFO(free << ": " << TextOf(status));
    CHECK((status.ok() || absl::IsResourceExhausted(status)));
    CHECK(std::filesystem::exists(disk) == status.ok());
    if (!status.ok()) ++full;
    std::filesystem::remove(disk);
    std::filesystem::remove(filler);
  }
  CHECK(full > 3);
  REQUIRE_OK(write());
}

}  // namespace
}  // namespace ember::images
