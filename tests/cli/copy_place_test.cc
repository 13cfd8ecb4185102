#include "cli/copy_place.h"

#include "tests/support/catch.h"

namespace ember::cli {
namespace {

using Kind = CopyPlace::Kind;

TEST_CASE("a place is in a VM when a colon comes before any slash", "[cli][cp]") {
  CHECK(ParseCopyPlace("dev:/etc") == CopyPlace{Kind::kVm, "dev", "/etc"});
  CHECK(ParseCopyPlace("dev:a/b") == CopyPlace{Kind::kVm, "dev", "/root/a/b"});
  CHECK(ParseCopyPlace("dev:") == CopyPlace{Kind::kVm, "dev", "/root"});
  CHECK(ParseCopyPlace("dev:a:b") == CopyPlace{Kind::kVm, "dev", "/root/a:b"});
  CHECK(ParseCopyPlace("./a:b") == CopyPlace{Kind::kLocal, "", "./a:b"});
  CHECK(ParseCopyPlace("/a:b") == CopyPlace{Kind::kLocal, "", "/a:b"});
  CHECK(ParseCopyPlace(":b") == CopyPlace{Kind::kLocal, "", ":b"});
  CHECK(ParseCopyPlace("file") == CopyPlace{Kind::kLocal, "", "file"});
  CHECK(ParseCopyPlace("-") == CopyPlace{Kind::kStandardStream, "", ""});
}

TEST_CASE("a source without a name of its own stands for what is in it", "[cli][cp]") {
  for (const char* path : {"/", "a/.", ".", "..", "a/..", "a/./"}) {
    CAPTURE(path);
    CHECK(SourceOf(path).contents);
    CHECK(SourceOf(path).name.empty());
  }
  for (const char* path : {"/x/name", "name", "name/", "a/name//"}) {
    CAPTURE(path);
    CHECK_FALSE(SourceOf(path).contents);
    CHECK(SourceOf(path).name == "name");
  }
}

}  // namespace
}  // namespace ember::cli
