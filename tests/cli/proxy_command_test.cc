#include <csignal>
#include <fstream>

#include "base/file.h"
#include "tests/cli/ember_program.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {
namespace {

using Catch::Matchers::Contains;

TEST_CASE("proxy joins stdin and stdout to a guest's socket", "[cli][proxy]") {
  EmberContext context;
  const auto result = context.Run({"proxy", "web", "7"}, "there and back");
  CHECK(result.code == 0);
  CHECK(result.out == "there and back");
}

TEST_CASE("bytes flow while both sides are open", "[cli][proxy]") {
  EmberContext context;
  RunningEmber proxy = context.Start({"proxy", "web", "7"});
  proxy.Write("one\n");
  CHECK(proxy.ReadUntil("one\n") == "one\n");
  proxy.Write("two\n");
  CHECK(proxy.ReadUntil("two\n") == "one\ntwo\n");
  proxy.CloseInput();
  CHECK(proxy.Wait() == 0);
}

TEST_CASE("a guest that ends its half first still takes input", "[cli][proxy]") {
  EmberContext context;
  RunningEmber proxy = context.Start({"proxy", "web", "9"});
  CHECK(proxy.ReadUntil("more").empty());  // the end of stdout
  proxy.Write("late");
  proxy.CloseInput();
  CHECK(proxy.Wait() == 0);
  CHECK(context.host().forwards().taken == 4);
}

TEST_CASE("64 MiB through a proxy come back unchanged", "[cli][proxy]") {
  EmberContext context;
  const auto in = context.dir() / "in";
  const auto out = context.dir() / "out";
  std::string bytes(size_t{64} << 20, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 2654435761U >> 13);
  std::ofstream(in) << bytes;
  CHECK(context.RunOnFiles({"proxy", "web", "7"}, in, out) == 0);
  const bool same = ValueOf(ReadFile(out)) == bytes;
  CHECK(same);
}

TEST_CASE("a proxy to nobody fails", "[cli][proxy]") {
  EmberContext context;
  const auto result = context.Run({"proxy", "web", "1"});
  CHECK(result.code != 0);
  CHECK_THAT(result.err, Contains("nobody listens"));
}

TEST_CASE("a proxy whose reader is gone, or that is interrupted, ends its call", "[cli][proxy]") {
  EmberContext context;
  RunningEmber proxy = context.Start({"proxy", "web", "99"});
  proxy.ReadUntil("x");
  SECTION("the reader is gone") {
    proxy.CloseOutput();
    CHECK(proxy.Wait() == 141);
  }
  SECTION("interrupted") {
    REQUIRE_OK(proxy.process().Signal(SIGINT));
    CHECK(proxy.Wait() == 130);
  }
  const Cancellation limit = Cancellation::After(absl::Seconds(10));
  while (context.host().forwards().ended == 0 && !limit.done()) {
    limit.Pause(absl::Milliseconds(5), "end").IgnoreError();
  }
  CHECK(context.host().forwards().ended == 1);
}

}  // namespace
}  // namespace ember::testing
