#include <nlohmann/json.hpp>

#include "tests/cli/ember_program.h"
#include "tests/support/catch.h"

namespace ember::testing {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

TEST_CASE("a build shows its steps on stderr and its result on stdout", "[cli][image]") {
  EmberContext context;
  const ProgramResult result = context.Run({"image", "build", "deb", "--from", "debian:bookworm",
                                            "--packages", "git,make", "--packages", "gcc"});
  CHECK(result.code == 0);
  CHECK(result.out == "deb\n");
  CHECK_THAT(result.err, Contains("building image 'deb'\nunpacking 3 packages\n"));
}

TEST_CASE("an import names the file by its absolute path", "[cli][image]") {
  EmberContext context;
  const ProgramResult result = context.Run(
      {"image", "import", "app", "rootfs.tar", "--size", "1G", "--format", "json", "--quiet"});
  CHECK(result.err.empty());
  const json image = json::parse(result.out);
  CHECK(image["source"] == "tar:" + (std::filesystem::current_path() / "rootfs.tar").string());
  CHECK(image["size_bytes"] == uint64_t{1} << 30);
}

TEST_CASE("images are listed, shown and deleted", "[cli][image]") {
  EmberContext context;
  context.Run({"image", "build", "bb", "--from", "busybox"});
  CHECK_THAT(context.Run({"image", "list"}).out, Contains("bb    -   busybox  64M"));
  CHECK_THAT(context.Run({"image", "inspect", "bb"}).out, Contains("busybox"));
  CHECK(context.Run({"image", "delete", "bb"}).out == "bb\n");
  CHECK(context.Run({"image", "delete", "bb"}).code == 4);
}

TEST_CASE("a failed build has no result", "[cli][image]") {
  EmberContext context;
  v1::ErrorDetail detail;
  detail.set_hint("apt-get install mmdebstrap");
  context.host().FailNext(grpc::FAILED_PRECONDITION, "mmdebstrap is missing", detail);
  const ProgramResult result = context.Run({"image", "build", "bb", "--from", "busybox"});
  CHECK(result.code == 5);
  CHECK(result.out.empty());
  CHECK_THAT(result.err, Contains("hint: apt-get install mmdebstrap"));
}

TEST_CASE("a kernel is Debian's by word, else a path", "[cli][kernel]") {
  EmberContext context;
  const auto path_of = [&](const std::string& source) {
    const auto result = context.Run({"kernel", "add", source, "--format", "json"});
    return json::parse(result.out)["path"].get<std::string>();
  };
  CHECK(path_of("debian") == "debian");
  CHECK(path_of("./debian") == (std::filesystem::current_path() / "debian").string());
  CHECK_THAT(context.Run({"kernel", "list"}).out, Contains("debian  -        ✓"));
  CHECK(context.Run({"kernel", "delete", "debian"}).code == 0);
}

}  // namespace
}  // namespace ember::testing
