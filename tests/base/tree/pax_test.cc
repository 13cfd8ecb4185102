#include "base/tree/pax.h"

#include <string>
#include <utility>
#include <vector>

#include "base/tree/sparse_map.h"
#include "tests/support/status_matchers.h"

namespace ember::tree {
namespace {

using testing::ValueOf;

absl::Status Parse(std::string_view body) {
  return ForEachPaxRecord(body,
                          [](std::string_view, std::string_view) { return absl::OkStatus(); });
}

TEST_CASE("a pax record counts its own length", "[tree][pax]") {
  for (const size_t size : {0u, 1u, 87u, 88u, 89u, 90u, 91u, 985u, 986u, 987u, 988u, 5000u}) {
    std::string body;
    AppendPaxRecord("path", std::string(size, 'x'), body);
    AppendPaxRecord("uid", "1", body);
    std::vector<std::pair<std::string, std::string>> records;
    REQUIRE_OK(ForEachPaxRecord(body, [&](std::string_view key, std::string_view value) {
      records.emplace_back(key, value);
      return absl::OkStatus();
    }));
    REQUIRE(records.size() == 2);
    CHECK(records[0] == std::pair<std::string, std::string>("path", std::string(size, 'x')));
    CHECK(records[1] == std::pair<std::string, std::string>("uid", "1"));
  }
}

TEST_CASE("what is no sequence of pax records is refused", "[tree][pax]") {
  for (const std::string_view body : {"x", "5 a=b", "999 a=b\n", "3 \n", "0 a=b\n", "6 a=bX",
                                      "-6 a=b\n", "6 abcd\n", "99999999999999999999 a=b\n"}) {
    CAPTURE(body);
    CHECK(absl::IsInvalidArgument(Parse(body)));
  }
}

TEST_CASE("pax times go there and back", "[tree][pax]") {
  const std::vector<FileTime> times = {{0, 0},          {1, 5},  {1700000000, 123456789}, {-1, 0},
                                       {-1, 500000000}, {-7, 1}, {1, 999999999}};
  for (const FileTime& time : times) {
    CAPTURE(PaxTimeText(time));
    CHECK(ValueOf(ParsePaxTime(PaxTimeText(time))) == time);
  }
  CHECK(ValueOf(ParsePaxTime("1.5")) == FileTime{1, 500000000});
  CHECK(ValueOf(ParsePaxTime("-0.25")) == FileTime{-1, 750000000});
  CHECK(ValueOf(ParsePaxTime("2.1234567899999")) == FileTime{2, 123456789});
  for (const std::string_view text : {"", "x", "1.x", "--1", "99999999999999999999"}) {
    CHECK(absl::IsInvalidArgument(ParsePaxTime(text).status()));
  }
}

absl::StatusOr<std::vector<Extent>> Map(std::string text, uint64_t size, uint64_t stored) {
  text.resize((text.size() + 511) / 512 * 512);
  SparseMapReader reader;
  for (size_t at = 0; at < text.size(); at += 512) {
    const auto complete = reader.Add(std::string_view(text).substr(at, 512));
    if (!complete.ok()) return complete.status();
    if (*complete) return reader.Take(size, stored);
  }
  return absl::OutOfRangeError("not complete");
}

TEST_CASE("a sparse map goes there and back", "[tree][sparse]") {
  std::vector<Extent> extents;
  for (uint64_t i = 0; i < 500; ++i) extents.push_back({i * 100000, 7});
  CHECK(ValueOf(Map(SparseMapText(extents), 50000000, 3500)) == extents);
  CHECK(ValueOf(Map(SparseMapText({{9, 0}}), 9, 0)).empty());
}

TEST_CASE("a sparse map that contradicts its file is refused", "[tree][sparse]") {
  for (const std::string text :
       {"2\n0\n5\n3\n5\n", "1\n0\n20\n", "1\n11\n0\n", "1\n0\n9\n", "2\n5\n5\n0\n5\n", "x\n", "\n",
        "1\n-1\n5\n", "99999999\n", "1\n99999999999999999999999\n1\n"}) {
    CAPTURE(text);
    CHECK(absl::IsInvalidArgument(Map(text, 10, 10).status()));
  }
}

}  // namespace
}  // namespace ember::tree
