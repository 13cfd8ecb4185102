#include "base/utf8.h"

#include <string>

#include "tests/support/catch.h"

namespace ember {
namespace {

TEST_CASE("text stays as it is", "[utf8]") {
  for (const std::string text : {"", "plain\n", "ä€😀", "\u07ff\u0800\ud7ff\ue000\U0010ffff"}) {
    CHECK(ToUtf8(text) == text);
  }
}

TEST_CASE("bytes that are no UTF-8 are written as hexadecimal", "[utf8]") {
  CHECK(ToUtf8("a\xff") == "a\\xFF");
  CHECK(ToUtf8("\xc3") == "\\xC3");                             // cut off
  CHECK(ToUtf8("\xc0\x80") == "\\xC0\\x80");                    // overlong
  CHECK(ToUtf8("\xe0\x80\x80") == "\\xE0\\x80\\x80");           // overlong
  CHECK(ToUtf8("\xed\xa0\x80") == "\\xED\\xA0\\x80");           // a surrogate
  CHECK(ToUtf8("\xf4\x90\x80\x80") == "\\xF4\\x90\\x80\\x80");  // too large
  CHECK(ToUtf8("\xf0\x8f\xbf\xbf") == "\\xF0\\x8F\\xBF\\xBF");  // overlong
}

}  // namespace
}  // namespace ember
