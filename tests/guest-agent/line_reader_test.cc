#include "guest-agent/json/line_reader.h"

#include <string>

#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::agent {
namespace {

using testing::ValueOf;

TEST_CASE("a huge line's memory is given back before the next bytes come", "[agent][json]") {
  LineReader reader;
  reader.Append(std::string(size_t{8} << 20, 'x') + "\n");
  REQUIRE(ValueOf(reader.Next())->size() == size_t{8} << 20);
  CHECK_FALSE(ValueOf(reader.Next()).has_value());
  CHECK(reader.held() <= size_t{1} << 20);
  reader.Append("next\nhalf");
  CHECK(ValueOf(reader.Next()) == "next");
  CHECK_FALSE(ValueOf(reader.Next()).has_value());
  reader.Append(" a line\n");
  CHECK(ValueOf(reader.Next()) == "half a line");
}

}  // namespace
}  // namespace ember::agent
