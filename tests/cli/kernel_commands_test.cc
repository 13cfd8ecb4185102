#include <nlohmann/json.hpp>

#include "tests/cli/ember_program.h"
#include "tests/support/catch.h"

namespace ember::testing {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

TEST_CASE("a kernel's source is a word, an address or else a path", "[cli][kernel]") {
  EmberContext context;
  const auto path_of = [&](const std::string& source) {
    const auto result = context.Run({"kernel", "add", source, "--format", "json"});
    INFO(result.err);
    return json::parse(result.out)["path"].get<std::string>();
  };
  for (const char* word : {"debian", "debian:trixie", "host", "http://example.org/vmlinuz",
                           "https://example.org/vmlinuz"}) {
    CHECK(path_of(word) == word);
  }
  CHECK(path_of("./host") == (std::filesystem::current_path() / "host").string());
  CHECK(path_of("/boot/vmlinuz") == "/boot/vmlinuz");
}

TEST_CASE("a kernel is shown with what it can drive", "[cli][kernel]") {
  EmberContext context;
  const ProgramResult text = context.Run({"kernel", "inspect", "mine"});
  CHECK(text.code == 0);
  CHECK_THAT(text.out, Contains("version:    6.6.6-test"));
  CHECK_THAT(text.out, Contains("built in:   ext4\n"));
  CHECK_THAT(text.out, Contains("modules:    virtio_blk\n"));
  CHECK_THAT(text.out, Contains("unknown:    virtio_net\n"));
  CHECK_THAT(text.out, Contains("missing:    firecracker: no driver 'virtio_mmio'\n"));

  const json kernel =
      json::parse(context.Run({"kernel", "inspect", "mine", "--format", "json"}).out);
  CHECK(kernel["pvh"] == true);
  CHECK(kernel["drivers"] == json({{"virtio_blk", "module"},
                                   {"ext4", "built-in"},
                                   {"virtio_mmio", "absent"},
                                   {"virtio_net", "unknown"}}));
  CHECK(kernel["missing"].size() == 1);
  CHECK(context.Run({"kernel", "inspect", "gone"}).code == 4);
}

TEST_CASE("the default kernel is chosen by name", "[cli][kernel]") {
  EmberContext context;
  const ProgramResult done = context.Run({"kernel", "set-default", "mine"});
  CHECK(done.code == 0);
  CHECK(done.out == "mine\n");
  CHECK(json::parse(
            context.Run({"kernel", "set-default", "mine", "--format", "json"}).out)["is_default"] ==
        true);
  CHECK(context.Run({"kernel", "set-default", "gone"}).code == 4);
  CHECK(context.Run({"kernel", "set-default"}).code == 2);
}

}  // namespace
}  // namespace ember::testing
