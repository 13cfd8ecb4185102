#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "base/subprocess.h"
#include "tests/base/tree/tar_stream.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

// Streams against the program that everybody has.
namespace ember::tree {
namespace {

using testing::ContentOf;
using testing::Listing;
using testing::StreamOf;
using testing::TempDir;
using testing::Unpack;
using testing::Write;

void Tar(std::vector<std::string> words) {
  words.insert(words.begin(), "tar");
  REQUIRE_OK(RunToolForOutput(std::move(words), Cancellation::After(absl::Seconds(60))));
}

// A tree with long names, precise times, a link and a sparse file.
void MakeTree(const std::filesystem::path& root) {
  const std::filesystem::path deep = root / std::string(120, 'a') / std::string(120, 'b');
  std::filesystem::create_directories(deep);
  Write(deep / "file", "content");
  Write(root / "empty", "");
  Write(root / "large", std::string(700'001, 'x'));
  std::filesystem::create_symlink(std::string(150, 't'), root / "link");
  std::filesystem::create_hard_link(root / "large", root / "same");
  const int fd = ::open((root / "sparse").c_str(), O_RDWR | O_CREAT, 0600);
  REQUIRE(::ftruncate(fd, 50 << 20) == 0);
  REQUIRE(::pwrite(fd, "one", 3, 1 << 20) == 3);
  REQUIRE(::pwrite(fd, "two", 3, 40 << 20) == 3);
  ::close(fd);
}

TEST_CASE("the system's tar unpacks our stream", "[tree][system]") {
  TempDir temp;
  std::filesystem::create_directory(temp / "from");
  MakeTree(temp / "from");
  const std::string stream = StreamOf(temp / "from", {.contents = true});
  CHECK(stream.size() < 2 << 20);
  Write(temp / "t.tar", stream);
  std::filesystem::create_directory(temp / "to");
  Tar({"-C", temp / "to", "-xpf", temp / "t.tar"});
  CHECK(Listing(temp / "to") == Listing(temp / "from"));
  struct stat status {};
  REQUIRE(::stat((temp / "to/sparse").c_str(), &status) == 0);
  CHECK(status.st_blocks * 512 < 10 << 20);
}

TEST_CASE("we unpack the stream of the system's tar", "[tree][system]") {
  TempDir temp;
  std::filesystem::create_directory(temp / "from");
  MakeTree(temp / "from");
  const std::string format = GENERATE("posix", "posix with holes", "gnu");
  std::vector<std::string> words = {"-C", temp / "from", "-cf", temp / "t.tar", "."};
  if (format == "posix with holes") words.insert(words.begin(), "--sparse");
  words.insert(words.begin(), format == "gnu" ? "--format=gnu" : "--format=posix");
  Tar(std::move(words));
  REQUIRE_OK(Unpack(ContentOf(temp / "t.tar"), temp / "to"));
  if (format == "gnu") {  // which knows whole seconds only
    CHECK(Listing(temp / "to").size() == Listing(temp / "from").size());
    CHECK(ContentOf(temp / "to/sparse") == ContentOf(temp / "from/sparse"));
  } else {
    CHECK(Listing(temp / "to") == Listing(temp / "from"));
  }
  CHECK(std::filesystem::equivalent(temp / "to/large", temp / "to/same"));
}

}  // namespace
}  // namespace ember::tree
