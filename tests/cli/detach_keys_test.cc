#include "cli/detach_keys.h"

#include "tests/support/catch.h"

namespace ember::cli {
namespace {

constexpr char kKeys[] = "\x10\x11";

std::string Taken(DetachKeys& keys, std::string bytes, bool detaches = false) {
  CHECK(keys.Take(bytes) == detaches);
  return bytes;
}

TEST_CASE("ctrl-p and ctrl-q detach, in one piece or two", "[cli][detach]") {
  DetachKeys one;
  CHECK(Taken(one, std::string("ab") + kKeys + "cd", true) == "ab");
  DetachKeys two;
  CHECK(Taken(two, "ab\x10").compare("ab") == 0);
  CHECK(Taken(two, "\x11", true).empty());
}

TEST_CASE("a ctrl-p that something else follows is sent", "[cli][detach]") {
  DetachKeys keys;
  CHECK(Taken(keys, "\x10").empty());
  CHECK(Taken(keys, "a") ==
        "\x10"
        "a");
  CHECK(Taken(keys, "\x10\x10").compare("\x10") == 0);
  CHECK(Taken(keys, "\x11", true).empty());
  DetachKeys ended;
  CHECK(Taken(ended, "\x10").empty());
  CHECK(Taken(ended, "") == "\x10");
}

TEST_CASE("a ctrl-q alone is a key like others", "[cli][detach]") {
  DetachKeys keys;
  CHECK(Taken(keys,
              "\x11"
              "a\x11") ==
        "\x11"
        "a\x11");
}

}  // namespace
}  // namespace ember::cli
