#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "tests/base/tree/tar_stream.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember::tree {
namespace {

using testing::ContentOf;
using testing::Listing;
using testing::StreamOf;
using testing::TempDir;
using testing::Unpack;
using testing::ValueOf;
using testing::Write;

void SetTime(const std::filesystem::path& path, timespec time) {
  const timespec times[2] = {time, time};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
}

// A tree with one of everything that can be carried.
void MakeTree(const std::filesystem::path& root) {
  std::filesystem::create_directories(root / "deep" / "er");
  std::filesystem::create_directories(root / std::string(200, 'd') / std::string(200, 'e'));
  Write(root / "small", "small\n");
  Write(root / "empty", "");
  Write(root / "large", std::string(1'000'003, 'l'));
  Write(root / std::string(200, 'd') / std::string(200, 'e') / "n", "long name");
  Write(root / "deep" / "er" / "\xff\n\x01", "odd name");
  Write(root / "private", "x");
  std::filesystem::create_symlink("../nowhere", root / "deep" / "link");
  std::filesystem::create_symlink(std::string(300, 't'), root / "long-link");
  REQUIRE(::mkfifo((root / "fifo").c_str(), 0640) == 0);
  REQUIRE(::chmod((root / "private").c_str(), 0400) == 0);
  SetTime(root / "small", {-5, 250'000'000});
  SetTime(root / "large", {40'000'000'000, 1});
  REQUIRE(::chmod((root / "deep" / "er").c_str(), 0555) == 0);
  SetTime(root / "deep" / "er", {1000, 5});
  SetTime(root / "deep", {2000, 6});
  SetTime(root / "deep" / "link", {3000, 7});
}

TEST_CASE("a tree arrives as it was: names, contents, modes, times, links", "[tree]") {
  TempDir temp;
  std::filesystem::create_directory(temp / "from");
  MakeTree(temp / "from");
  TreeSummary sent;
  const std::string stream = StreamOf(temp / "from", {.contents = true}, &sent);
  const size_t step = GENERATE(size_t{1000}, size_t{256} << 10);
  const TreeSummary got = ValueOf(Unpack(stream, temp / "to", {}, step));
  CHECK(Listing(temp / "to") == Listing(temp / "from"));
  CHECK(got.files == sent.files);
  CHECK(got.bytes == sent.bytes);
  CHECK(sent.files == 13);
  CHECK(got.skipped.empty());
}

TEST_CASE("a sparse file keeps its holes", "[tree][sparse]") {
  TempDir temp;
  const uint64_t size = uint64_t{300} << 20;
  const int fd = ::open((temp / "s").c_str(), O_RDWR | O_CREAT, 0600);
  REQUIRE(::ftruncate(fd, static_cast<off_t>(size)) == 0);
  REQUIRE(::pwrite(fd, "begin", 5, 0) == 5);
  REQUIRE(::pwrite(fd, "middle", 6, 100 << 20) == 6);
  const bool end_too = GENERATE(false, true);
  if (end_too) REQUIRE(::pwrite(fd, "end", 3, static_cast<off_t>(size) - 3) == 3);
  ::close(fd);
  const std::string stream = StreamOf(temp / "s");
  CHECK(stream.size() < 1 << 20);
  REQUIRE_OK(Unpack(stream, temp / "to"));
  struct stat before {};
  struct stat after {};
  REQUIRE(::stat((temp / "s").c_str(), &before) == 0);
  REQUIRE(::stat((temp / "to/s").c_str(), &after) == 0);
  CHECK(after.st_size == before.st_size);
  CHECK(after.st_blocks <= before.st_blocks + 16);
  CHECK(ContentOf(temp / "s") == ContentOf(temp / "to/s"));
}

TEST_CASE("a file that is all hole stays one", "[tree][sparse]") {
  TempDir temp;
  Write(temp / "s", "");
  REQUIRE(::truncate((temp / "s").c_str(), 5'000'001) == 0);
  REQUIRE_OK(Unpack(StreamOf(temp / "s"), temp / "to"));
  CHECK(std::filesystem::file_size(temp / "to/s") == 5'000'001);
}

TEST_CASE("names of one file stay names of one file", "[tree]") {
  TempDir temp;
  std::filesystem::create_directories(temp / "from/a");
  Write(temp / "from/a/x", "shared");
  std::filesystem::create_hard_link(temp / "from/a/x", temp / "from/y");
  REQUIRE_OK(Unpack(StreamOf(temp / "from"), temp / "to"));
  CHECK(std::filesystem::equivalent(temp / "to/from/a/x", temp / "to/from/y"));
  SECTION("also over what an earlier copy left") {
    REQUIRE_OK(Unpack(StreamOf(temp / "from"), temp / "to"));
    CHECK(std::filesystem::equivalent(temp / "to/from/a/x", temp / "to/from/y"));
    CHECK(Listing(temp / "to").size() == 4);
  }
}

TEST_CASE("what is in the way is replaced, but no directory is", "[tree]") {
  TempDir temp;
  std::filesystem::create_directory(temp / "to");
  Write(temp / "outside", "outside");
  Write(temp / "f", "new");
  SECTION("a file") { Write(temp / "to/f", "old"); }
  SECTION("a link, which is not written through") {
    std::filesystem::create_symlink(temp / "outside", temp / "to/f");
  }
  SECTION("a directory") {
    std::filesystem::create_directory(temp / "to/f");
    const absl::Status refused = Unpack(StreamOf(temp / "f"), temp / "to").status();
    CHECK(absl::IsAlreadyExists(refused));
    CHECK(Listing(temp / "to").size() == 1);
    return;
  }
  REQUIRE_OK(Unpack(StreamOf(temp / "f"), temp / "to"));
  CHECK(ContentOf(temp / "to/f") == "new");
  CHECK_FALSE(std::filesystem::is_symlink(temp / "to/f"));
  CHECK(ContentOf(temp / "outside") == "outside");
}

TEST_CASE("a directory that is there is kept as it is", "[tree]") {
  TempDir temp;
  std::filesystem::create_directories(temp / "from/d");
  Write(temp / "from/d/f", "new");
  std::filesystem::create_directories(temp / "to/from/d");
  Write(temp / "to/from/d/kept", "kept");
  REQUIRE(::chmod((temp / "to/from/d").c_str(), 0700) == 0);
  REQUIRE_OK(Unpack(StreamOf(temp / "from"), temp / "to"));
  CHECK(ContentOf(temp / "to/from/d/kept") == "kept");
  CHECK(ContentOf(temp / "to/from/d/f") == "new");
  struct stat status {};
  REQUIRE(::stat((temp / "to/from/d").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0700);
}

TEST_CASE("one entry takes the name of the path, or goes into the directory there", "[tree]") {
  TempDir temp;
  std::filesystem::create_directories(temp / "from/d");
  Write(temp / "from/d/f", "x");
  const std::string stream = StreamOf(temp / "from");
  const auto unpack = [&](const std::string& path) {
    auto destination = OpenDestination(path, "given");
    if (!destination.ok()) return destination.status();
    TreeSink sink(*std::move(destination), {});
    const absl::Status taken = sink.Append(stream);
    return taken.ok() ? sink.Finish().status() : taken;
  };
  REQUIRE_OK(unpack(temp / "new"));
  CHECK(ContentOf(temp / "new/d/f") == "x");
  REQUIRE_OK(unpack(temp / "new"));
  CHECK(ContentOf(temp / "new/given/d/f") == "x");
  REQUIRE_OK(unpack(temp / "other/"));
  CHECK(ContentOf(temp / "other/d/f") == "x");
  CHECK(absl::IsNotFound(unpack(temp / "missing/deep")));
  CHECK(absl::IsPermissionDenied(unpack(temp / "missing/..")));
}

TEST_CASE("a file does not take the place of a directory that was asked for", "[tree]") {
  TempDir temp;
  Write(temp / "f", "x");
  TreeSink sink(ValueOf(OpenDestination((temp / "missing/").native(), "f")), {});
  CHECK(absl::IsNotFound(sink.Append(StreamOf(temp / "f"))));
  CHECK_FALSE(std::filesystem::exists(temp / "missing"));
}

TEST_CASE("owners and setuid bits come only when asked for", "[tree]") {
  if (::geteuid() != 0) EMBER_SKIP("only root gives files away");
  TempDir temp;
  Write(temp / "f", "x");
  REQUIRE(::chown((temp / "f").c_str(), 1234, 4321) == 0);
  REQUIRE(::chmod((temp / "f").c_str(), 06755) == 0);
  const std::string stream = StreamOf(temp / "f");
  struct stat status {};
  REQUIRE_OK(Unpack(stream, temp / "own"));
  REQUIRE(::stat((temp / "own/f").c_str(), &status) == 0);
  CHECK(status.st_uid == 0);
  CHECK((status.st_mode & 07777) == 0755);
  REQUIRE_OK(Unpack(stream, temp / "kept", {.keep_owner = true}));
  REQUIRE(::stat((temp / "kept/f").c_str(), &status) == 0);
  CHECK(status.st_uid == 1234);
  CHECK(status.st_gid == 4321);
  CHECK((status.st_mode & 07777) == 06755);
}

}  // namespace
}  // namespace ember::tree
