#include "cli/resource_limit.h"

#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::cli {
namespace {

using testing::ValueOf;

TEST_CASE("a limit has a soft value and may have a hard one", "[cli][limit]") {
  v1::ResourceLimit limit = ValueOf(ParseResourceLimit("nofile=10:20"));
  CHECK(limit.name() == "nofile");
  CHECK(limit.soft() == 10);
  CHECK(limit.hard() == 20);
  limit = ValueOf(ParseResourceLimit("NPROC=7"));
  CHECK(limit.name() == "nproc");
  CHECK(limit.hard() == 7);
  limit = ValueOf(ParseResourceLimit("core=0:unlimited"));
  CHECK(limit.soft() == 0);
  CHECK(limit.hard() == UINT64_MAX);
}

TEST_CASE("what is no limit is refused", "[cli][limit]") {
  for (const char* text :
       {"", "nofile", "=1", "nofile=", "nofile=x", "nofile=1:", "nofile=-1", "nofile=2:1",
        "nofile=unlimited:1", "nofile=1:2:3", "nofile=99999999999999999999"}) {
    INFO(text);
    CHECK(absl::IsInvalidArgument(ParseResourceLimit(text).status()));
  }
}

}  // namespace
}  // namespace ember::cli
