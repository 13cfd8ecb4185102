#include "base/tree/tree_source.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "base/socket.h"
#include "tests/base/tree/tar_stream.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember::tree {
namespace {

using testing::ContentOf;
using testing::StreamOf;
using testing::TempDir;
using testing::Unpack;
using testing::ValueOf;
using testing::Write;

absl::Status SendFailure(const std::string& path, SourceOptions options = {}) {
  PieceWriter out([](std::string&) { return absl::OkStatus(); });
  return TreeSource::Send(path, options, out).status();
}

TEST_CASE("what can't be sent as a tree says why", "[tree][source]") {
  TempDir temp;
  Write(temp / "f", "");
  CHECK(absl::IsNotFound(SendFailure(temp / "missing")));
  CHECK(absl::IsInvalidArgument(SendFailure("/")));
  CHECK(absl::IsInvalidArgument(SendFailure("")));
  CHECK(absl::IsInvalidArgument(SendFailure((temp.path() / "..").native())));
  CHECK_FALSE(SendFailure(temp / "f", {.contents = true}).ok());
}

TEST_CASE("a source ends when its stream does", "[tree][source]") {
  TempDir temp;
  Write(temp / "f", std::string(1 << 20, 'x'));
  PieceWriter out([](std::string&) { return absl::CancelledError("enough"); });
  CHECK(absl::IsCancelled(TreeSource::Send(temp / "f", {}, out).status()));
}

TEST_CASE("sockets are skipped and named", "[tree][source]") {
  TempDir temp;
  std::filesystem::create_directory(temp / "d");
  const UniqueFd listener = ValueOf(ListenUnix(temp / "d/sock", 0600, 1));
  Write(temp / "d/f", "x");
  TreeSummary summary;
  REQUIRE_OK(Unpack(StreamOf(temp / "d", {}, &summary), temp / "to"));
  CHECK(summary.skipped == std::vector<std::string>{"d/sock"});
  CHECK(ContentOf(temp / "to/d/f") == "x");
}

TEST_CASE("with follow, what links point to is sent", "[tree][source]") {
  TempDir temp;
  std::filesystem::create_directories(temp / "d/sub");
  Write(temp / "d/sub/f", "x");
  std::filesystem::create_symlink("sub/f", temp / "d/to-file");
  std::filesystem::create_symlink("sub", temp / "d/to-directory");
  std::filesystem::create_symlink("missing", temp / "d/to-nothing");
  std::filesystem::create_symlink("..", temp / "d/sub/loop");
  std::filesystem::create_symlink("self", temp / "d/self");
  TreeSummary summary;
  REQUIRE_OK(Unpack(StreamOf(temp / "d", {.follow_symlinks = true}, &summary), temp / "to"));
  CHECK(ContentOf(temp / "to/d/to-file") == "x");
  CHECK_FALSE(std::filesystem::is_symlink(temp / "to/d/to-file"));
  CHECK(ContentOf(temp / "to/d/to-directory/f") == "x");
  CHECK(std::filesystem::is_symlink(temp / "to/d/to-nothing"));
  CHECK(summary.skipped.size() == 2);  // the loop, by both ways
}

TEST_CASE("a file of /proc, which has no size, is sent whole", "[tree][source]") {
  TempDir temp;
  REQUIRE_OK(Unpack(StreamOf("/proc/self/mountinfo"), temp / "to"));
  CHECK_FALSE(ContentOf(temp / "to/mountinfo").empty());
  CHECK(ContentOf(temp / "to/mountinfo") == ContentOf("/proc/self/mountinfo"));
}

TEST_CASE("a pipe becomes a file", "[tree][source]") {
  TempDir temp;
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const UniqueFd reader(ends[0]);
  const std::string content(700'000, 'p');
  std::thread producer([&content, end = ends[1]] {
    const UniqueFd writer(end);
    for (size_t at = 0; at < content.size();) {
      at += static_cast<size_t>(::write(writer.get(), content.data() + at, content.size() - at));
    }
  });
  std::string stream;
  PieceWriter out([&stream](std::string& piece) {
    stream += piece;
    return absl::OkStatus();
  });
  Entry entry;
  entry.name = "f";
  CHECK(ValueOf(SendUnsized(reader.get(), entry, out)) == content.size());
  producer.join();
  REQUIRE_OK(out.Write(TarEnd()));
  REQUIRE_OK(out.Flush());
  REQUIRE_OK(Unpack(stream, temp / "to"));
  CHECK(ContentOf(temp / "to/f") == content);
}

TEST_CASE("a file that changes while it is sent still fills its entry", "[tree][source]") {
  TempDir temp;
  const std::filesystem::path path = temp / "d" / "f";
  std::filesystem::create_directory(temp / "d");
  Write(path, std::string(3 << 20, 'x'));
  Write(temp / "after", "after");
  const off_t new_size = GENERATE(off_t{1} << 20, off_t{9} << 20);
  std::string stream;
  PieceWriter out([&](std::string& piece) {
    REQUIRE(::truncate(path.c_str(), new_size) == 0);
    stream += piece;
    return absl::OkStatus();
  });
  REQUIRE_OK(TreeSource::Send((temp / "d").native(), {}, out));
  REQUIRE_OK(Unpack(stream, temp / "to"));
  CHECK(std::filesystem::file_size(temp / "to/d/f") == 3 << 20);
}

}  // namespace
}  // namespace ember::tree
