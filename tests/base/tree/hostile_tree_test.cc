#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "base/tree/pax.h"
#include "tests/base/tree/tar_stream.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember::tree {
namespace {

using testing::ContentOf;
using testing::Listing;
using testing::TarStream;
using testing::TempDir;
using testing::Unpack;
using testing::ValueOf;
using testing::Write;

// A destination with a neighbour that no stream may touch.
struct Place {
  Place() {
    std::filesystem::create_directory(temp / "outside");
    Write(temp / "outside/secret", "secret");
    std::filesystem::create_directory(temp / "to");
    before = Listing(temp / "outside");
  }
  absl::Status Take(const TarStream& stream) {
    return Unpack(stream.Whole(), temp / "to").status();
  }
  bool OutsideIsUntouched() const { return Listing(temp / "outside") == before; }

  TempDir temp;
  std::vector<std::string> before;
};

TEST_CASE("names that lead out of the root are denied", "[tree][hostile]") {
  Place place;
  const std::string absolute = (place.temp / "outside/secret").native();
  for (const std::string& name :
       {absolute, std::string("../outside/secret"), std::string("a/../../outside/secret"),
        std::string(".."), std::string("a/.."), std::string("./../x")}) {
    CAPTURE(name);
    CHECK(absl::IsPermissionDenied(place.Take(TarStream().File(name, "evil"))));
    CHECK(absl::IsPermissionDenied(place.Take(TarStream().Directory(name))));
    CHECK(absl::IsPermissionDenied(place.Take(TarStream().Symlink(name, "x"))));
    CHECK(
        absl::IsPermissionDenied(place.Take(TarStream().File("mine", "x").HardLink("link", name))));
  }
  CHECK(place.OutsideIsUntouched());
}

TEST_CASE("names that are no names are refused", "[tree][hostile]") {
  Place place;
  std::string deep;
  for (size_t i = 0; i <= kMaxDepth; ++i) deep += "d/";
  std::string with_nul;
  AppendPaxRecord("path", std::string_view("a\0b", 3), with_nul);
  CHECK(absl::IsInvalidArgument(place.Take(TarStream().File("", "x"))));
  CHECK(absl::IsInvalidArgument(place.Take(TarStream().File(".", "x"))));
  CHECK(absl::IsInvalidArgument(place.Take(TarStream().Pax(with_nul).File("n", "x"))));
  CHECK(absl::IsInvalidArgument(place.Take(TarStream().Directory(deep))));
  CHECK(absl::IsInvalidArgument(place.Take(TarStream().File(std::string(5000, 'n'), "x"))));
  CHECK(absl::IsInvalidArgument(place.Take(TarStream().File(std::string(300, 'n'), "x"))));
  CHECK(Listing(place.temp / "to").empty());
}

TEST_CASE("nothing is written through a link that the stream made", "[tree][hostile]") {
  Place place;
  const std::string target = GENERATE(std::string("../outside"), std::string("absolute"));
  const std::string outside = target == "absolute" ? (place.temp / "outside").native() : target;
  const auto link = [&] { return TarStream().Symlink("link", outside); };
  CHECK(absl::IsPermissionDenied(place.Take(link().File("link/secret", "evil"))));
  CHECK(absl::IsPermissionDenied(place.Take(link().Directory("link/made"))));
  CHECK(absl::IsPermissionDenied(place.Take(link().Directory("link"))));
  CHECK(absl::IsPermissionDenied(place.Take(link().Symlink("link/made", "x"))));
  CHECK(
      absl::IsPermissionDenied(place.Take(link().File("mine", "x").HardLink("link/made", "mine"))));
  CHECK(absl::IsPermissionDenied(place.Take(link().HardLink("got", "link/secret"))));
  // The link itself may be replaced: its target is not touched.
  REQUIRE_OK(place.Take(link().File("link", "content")));
  CHECK(ContentOf(place.temp / "to/link") == "content");
  CHECK(place.OutsideIsUntouched());
}

TEST_CASE("nothing is written through a link that is there", "[tree][hostile]") {
  Place place;
  std::filesystem::create_directory_symlink(place.temp / "outside", place.temp / "to/link");
  CHECK(absl::IsPermissionDenied(place.Take(TarStream().File("link/secret", "evil"))));
  CHECK(absl::IsPermissionDenied(place.Take(TarStream().Directory("link/").File("link/x", ""))));
  CHECK(std::filesystem::is_symlink(place.temp / "to/link"));
  CHECK(place.OutsideIsUntouched());
}

TEST_CASE("a directory that was replaced by a link is not entered again", "[tree][hostile]") {
  Place place;
  TarStream stream;
  stream.Directory("d").File("d/f", "x").Symlink("d", "../outside").File("d/secret", "evil");
  CHECK_FALSE(place.Take(stream).ok());
  CHECK(place.OutsideIsUntouched());
}

TEST_CASE("a hard link reaches only what the stream has made", "[tree][hostile]") {
  Place place;
  Write(place.temp / "to/there", "there");
  std::filesystem::create_symlink(place.temp / "outside/secret", place.temp / "to/link");
  CHECK(absl::IsPermissionDenied(place.Take(TarStream().HardLink("got", "there"))));
  CHECK(absl::IsPermissionDenied(place.Take(TarStream().HardLink("got", "link"))));
  CHECK(
      absl::IsPermissionDenied(place.Take(TarStream().Symlink("l", "there").HardLink("got", "l"))));
  CHECK(absl::IsPermissionDenied(place.Take(TarStream().Directory("d").HardLink("got", "d"))));
  CHECK_FALSE(std::filesystem::exists(place.temp / "to/got"));
}

TEST_CASE("setuid bits do not arrive unasked, and no device does", "[tree][hostile]") {
  Place place;
  Entry setuid;
  setuid.name = "su";
  setuid.mode = 06755;
  Entry device;
  device.kind = EntryKind::kCharDevice;
  device.name = "null";
  device.device_major = 1;
  device.device_minor = 3;
  const auto summary = ValueOf(Unpack(
      TarStream().Add(setuid, "x").Add(device).File("after", "y").Whole(), place.temp / "to"));
  struct stat status {};
  REQUIRE(::stat((place.temp / "to/su").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0755);
  CHECK_FALSE(std::filesystem::exists(place.temp / "to/null"));
  CHECK(summary.skipped == std::vector<std::string>{"null"});
  CHECK(ContentOf(place.temp / "to/after") == "y");
}

TEST_CASE("devices are made where that is wanted", "[tree]") {
  if (::geteuid() != 0) EMBER_SKIP("only root makes devices");
  Place place;
  Entry device;
  device.kind = EntryKind::kCharDevice;
  device.name = "null";
  device.mode = 0666;
  device.device_major = 1;
  device.device_minor = 3;
  const absl::Status made = Unpack(TarStream().Add(device).Whole(), place.temp / "to",
                                   {.devices = SinkOptions::Devices::kMake})
                                .status();
  if (absl::IsPermissionDenied(made)) EMBER_SKIP("no right to make devices in here");
  REQUIRE_OK(made);
  struct stat status {};
  REQUIRE(::stat((place.temp / "to/null").c_str(), &status) == 0);
  CHECK(status.st_mode == (S_IFCHR | 0666));
}

TEST_CASE("a stream that ends within a file leaves nothing of it", "[tree][hostile]") {
  Place place;
  const std::string stream =
      TarStream().File("whole", "whole").File("cut", std::string(5000, 'c')).bytes();
  const size_t cut = GENERATE(size_t{1600}, size_t{4000}, size_t{6600});
  CHECK(absl::IsInvalidArgument(
      Unpack(std::string_view(stream).substr(0, cut), place.temp / "to").status()));
  CHECK(ContentOf(place.temp / "to/whole") == "whole");
  const auto left = Listing(place.temp / "to");
  CHECK(left.size() == (cut >= 6536 ? 2 : 1));
}

TEST_CASE("a stream for one entry holds no other", "[tree][hostile]") {
  Place place;
  const auto take = [&](const TarStream& stream, const char* name = "name") {
    TreeSink sink(ValueOf(OpenDestination((place.temp / "to").native(), name)), {});
    const absl::Status taken = sink.Append(stream.Whole());
    return taken.ok() ? sink.Finish().status() : taken;
  };
  CHECK(absl::IsInvalidArgument(take(TarStream().File("a", "x").File("b", "y"))));
  CHECK(absl::IsInvalidArgument(take(TarStream().Directory("./"))));
  CHECK(absl::IsInvalidArgument(take(TarStream())));
  CHECK(absl::IsPermissionDenied(take(TarStream().Directory("a").File("a/../../x", "y"), "other")));
  CHECK(place.OutsideIsUntouched());
}

}  // namespace
}  // namespace ember::tree
