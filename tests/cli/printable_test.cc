#include "cli/printable.h"

#include "tests/support/catch.h"

namespace ember::cli {
namespace {

TEST_CASE("control characters are shown instead of obeyed", "[cli][printable]") {
  CHECK(Printable("a\x1b[2Jb") == "a\\e[2Jb");
  CHECK(Printable("a\r\n\tb\x7f") == "a\\x0d\\n\\tb\\x7f");
  CHECK(Printable("\xc2\x9b") == "\\xc2\\x9b");           // C1: CSI in one character
  CHECK(Printable("\xe2\x80\xae") == "\\xe2\\x80\\xae");  // right-to-left override
}

TEST_CASE("text in any script stays as it is", "[cli][printable]") {
  CHECK(Printable("Zürich ✓ 東京 🦀") == "Zürich ✓ 東京 🦀");
}

TEST_CASE("bytes that are not UTF-8 are escaped one by one", "[cli][printable]") {
  CHECK(Printable("\xff") == "\\xff");
  CHECK(Printable("\xc0\xaf") == "\\xc0\\xaf");                    // overlong
  CHECK(Printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");           // surrogate
  CHECK(Printable("a\xe2\x82") == "a\\xe2\\x82");                  // cut off
  CHECK(Printable("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");  // over U+10FFFF
}

TEST_CASE("lines of a message stay lines that can't pass for others", "[cli][printable]") {
  CHECK(PrintableLines("failed\nhint: rm -rf /\n") == "failed\n  hint: rm -rf /");
}

TEST_CASE("width counts characters, not bytes", "[cli][printable]") {
  CHECK(DisplayWidth("✓ ü") == 3);
}

TEST_CASE("the part of a text that is UTF-8 ends where it breaks", "[cli][printable]") {
  CHECK(Utf8Prefix("") == 0);
  CHECK(Utf8Prefix("aé✓") == 6);
  CHECK(Utf8Prefix("é\xff z") == 2);
  CHECK(Utf8Prefix("ab\xc3") == 2);
  CHECK(Utf8Prefix("a\xed\xa0\x80") == 1);
}

}  // namespace
}  // namespace ember::cli
