#include "cli/suggestion.h"

#include "tests/support/catch.h"

namespace ember::cli {
namespace {

TEST_CASE("a typing error finds the word that was meant", "[cli][suggestion]") {
  const std::vector<std::string> words = {"create", "start", "stop", "list", "vm"};
  CHECK(NearestWord("craete", words) == "create");
  CHECK(NearestWord("lst", words) == "list");
  CHECK(NearestWord("stopp", words) == "stop");
  CHECK(NearestWord("v", words) == "vm");
}

TEST_CASE("two letters that changed places are one mistake", "[cli][suggestion]") {
  CHECK(NearestWord("nmae", {"name", "image"}) == "name");
  CHECK(NearestWord("mv", {"vm"}) == "vm");
}

TEST_CASE("a word that is like none suggests none", "[cli][suggestion]") {
  CHECK(NearestWord("frobnicate", {"create", "list"}) == std::nullopt);
}

}  // namespace
}  // namespace ember::cli
