#include "base/tree/tar_reader.h"

#include <map>
#include <string>

#include "base/tree/pax.h"
#include "tests/base/tree/tar_stream.h"
#include "tests/support/status_matchers.h"

namespace ember::tree {
namespace {

using testing::TarStream;

// Keeps what comes.
class Collector : public EntryReceiver {
 public:
  absl::Status OnEntry(const Entry& entry) override {
    entries.push_back(entry);
    content[entry.name];
    return absl::OkStatus();
  }
  absl::Status OnContent(uint64_t offset, std::string_view bytes) override {
    std::string& text = content[entries.back().name];
    text.resize(offset, '.');
    text += bytes;
    return absl::OkStatus();
  }
  absl::Status OnEntryEnd(uint64_t size) override {
    content[entries.back().name].resize(size, '.');
    ++ended;
    return absl::OkStatus();
  }

  std::vector<Entry> entries;
  std::map<std::string, std::string> content;
  size_t ended = 0;
};

absl::Status Read(std::string_view stream, EntryReceiver& receiver, size_t step = 1 << 20) {
  TarReader reader(receiver);
  for (; !stream.empty(); stream.remove_prefix(std::min(step, stream.size()))) {
    const absl::Status taken = reader.Append(stream.substr(0, step));
    if (!taken.ok()) return taken;
  }
  return reader.Finish();
}

absl::Status Read(std::string_view stream) {
  Collector ignored;
  return Read(stream, ignored);
}

TEST_CASE("a stream reads the same in any cut", "[tree][reader]") {
  Entry precise;
  precise.name = std::string(200, 'n');
  precise.uid = 5'000'000;
  precise.modified = {-5, 250'000'000};
  const std::string stream = TarStream()
                                 .Directory("d/")
                                 .File("d/a", std::string(1500, 'a'))
                                 .Add(precise, "precise")
                                 .Symlink("d/l", std::string(300, 't'))
                                 .File("empty", "")
                                 .Whole();
  for (const size_t step : {1, 7, 511, 512, 513, 100000}) {
    Collector got;
    REQUIRE_OK(Read(stream, got, step));
    REQUIRE(got.entries.size() == 5);
    CHECK(got.ended == 5);
    CHECK(got.content["d/a"] == std::string(1500, 'a'));
    CHECK(got.content[precise.name] == "precise");
    CHECK(got.entries[2].uid == 5'000'000);
    CHECK(got.entries[2].modified == FileTime{-5, 250'000'000});
    CHECK(got.entries[3].target == std::string(300, 't'));
  }
}

TEST_CASE("an entry that is continued is one file", "[tree][reader]") {
  Entry part;
  part.name = "f";
  part.continued = true;
  TarStream stream;
  stream.Add(part, "one ").Add(part, "two ");
  part.continued = false;
  Collector got;
  REQUIRE_OK(Read(TarStream(stream).Add(part, "three").Whole(), got, 100));
  CHECK(got.content["f"] == "one two three");
  CHECK(got.ended == 1);
  SECTION("its rest must come") {
    CHECK(absl::IsInvalidArgument(Read(stream.Whole())));
    CHECK(absl::IsInvalidArgument(Read(TarStream(stream).File("g", "").Whole())));
    CHECK(absl::IsInvalidArgument(Read(TarStream(stream).Directory("f").Whole())));
  }
}

TEST_CASE("a stream that is cut off is refused wherever that is", "[tree][reader]") {
  const std::string bytes = TarStream().File(std::string(150, 'n'), "content").bytes();
  for (size_t size = 1; size < bytes.size(); ++size) {
    CAPTURE(size);
    CHECK(absl::IsInvalidArgument(Read(std::string_view(bytes).substr(0, size))));
  }
  CHECK_FALSE(Read("x").ok());
}

TEST_CASE("a header that is damaged in any byte is refused", "[tree][reader]") {
  const std::string stream = TarStream().File("name", "content").Whole();
  for (size_t at = 0; at < 512; ++at) {
    std::string damaged = stream;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x11);
    CAPTURE(at);
    CHECK(absl::IsInvalidArgument(Read(damaged)));
  }
}

TEST_CASE("what follows the end of a stream is not looked at", "[tree][reader]") {
  CHECK(Read(TarStream().File("a", "b").Whole() + std::string(5000, 'x')).ok());
}

TEST_CASE("extended headers are bounded", "[tree][reader]") {
  std::string records;
  AppendPaxRecord("comment", std::string(kMaxExtended, 'x'), records);
  CHECK(absl::IsInvalidArgument(Read(TarStream().Pax(records).File("a", "").Whole())));
}

TEST_CASE("sizes that no file has are refused", "[tree][reader]") {
  for (const std::string_view size : {"9223372036854775807", "9223372036854775808", "-1", "1x"}) {
    std::string records;
    AppendPaxRecord("size", size, records);
    CAPTURE(size);
    CHECK(absl::IsInvalidArgument(Read(TarStream().Pax(records).File("a", "").Whole())));
  }
}

TEST_CASE("other sparse formats and types are refused", "[tree][reader]") {
  std::string records;
  AppendPaxRecord("GNU.sparse.map", "0,1", records);
  CHECK(absl::IsInvalidArgument(Read(TarStream().Pax(records).File("a", "x").Whole())));
  records.clear();
  AppendPaxRecord("GNU.sparse.major", "1", records);
  AppendPaxRecord("GNU.sparse.minor", "0", records);
  CHECK(absl::IsInvalidArgument(Read(TarStream().Pax(records).File("a", "9\n").Whole())));
  CHECK(absl::IsInvalidArgument(Read(TarStream().Pax(records).Directory("a").Whole())));
}

}  // namespace
}  // namespace ember::tree
