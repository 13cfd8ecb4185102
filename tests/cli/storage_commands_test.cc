#include <nlohmann/json.hpp>

#include "tests/cli/ember_program.h"
#include "tests/support/catch.h"

namespace ember::testing {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

constexpr uint64_t kMiB = uint64_t{1} << 20;

TEST_CASE("usage is a line about the pool and a row for each thing", "[cli][storage]") {
  EmberContext context;
  const ProgramResult result = context.Run({"storage", "usage"});
  CHECK(result.code == 0);
  CHECK(result.out ==
        "/srv/ember (xfs, reflink): 400M of 1000M used, 600M free\n"
        "KIND   NAME    PROVISIONED  REFERENCED  EXCLUSIVE  SHARED\n"
        "vm     dev     8192M        300M        20M        280M\n"
        "image  debian  -            280M        -          -\n");
}

TEST_CASE("usage in JSON leaves out what is not known", "[cli][storage]") {
  EmberContext context;
  const json usage = json::parse(context.Run({"storage", "usage", "--format", "json"}).out);
  CHECK(usage["pool"]["capacity_bytes"] == 1000 * kMiB);
  CHECK(usage["pool"]["volume_store"] == "reflink");
  CHECK(usage["items"][0] == json({{"kind", "vm"},
                                   {"name", "dev"},
                                   {"provisioned_bytes", 8192 * kMiB},
                                   {"referenced_bytes", 300 * kMiB},
                                   {"exclusive_bytes", 20 * kMiB},
                                   {"shared_bytes", 280 * kMiB}}));
  CHECK(usage["items"][1] ==
        json({{"kind", "image"}, {"name", "debian"}, {"referenced_bytes", 280 * kMiB}}));
}

TEST_CASE("a prune shows what went, or would go", "[cli][storage]") {
  EmberContext context;
  const ProgramResult done = context.Run({"storage", "prune"});
  CHECK(done.code == 0);
  CHECK(done.out ==
        "KIND      NAME  SIZE\n"
        "leftover  /did  3M\n");
  CHECK_THAT(done.err, Contains("removed 1 thing(s), 3M"));
  const ProgramResult dry = context.Run({"storage", "prune", "--dry-run", "--format", "json"});
  CHECK(json::parse(dry.out) ==
        json::parse(R"([{"kind": "leftover", "name": "/would", "bytes": 3145728}])"));
  CHECK_THAT(dry.err, Contains("would remove"));
}

}  // namespace
}  // namespace ember::testing
