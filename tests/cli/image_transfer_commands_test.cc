#include <csignal>
#include <nlohmann/json.hpp>

#include "tests/cli/ember_program.h"
#include "tests/support/catch.h"

namespace ember::testing {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

std::string Here(const std::string& name) {
  return (std::filesystem::current_path() / name).string();
}

TEST_CASE("a pull shows what happens to each layer, a line each", "[cli][image]") {
  EmberContext context;
  const ProgramResult result = context.Run({"image", "pull", "alpine:3.19"});
  CHECK(result.code == 0);
  CHECK(result.out == "alpine:3.19\n");
  CHECK(result.err ==
        "pulling image 'alpine:3.19'\ndownloading aaaaaaaaaaaa\ndownloading bbbbbbbbbbbb\n");
  CHECK(context.Run({"image", "pull", "alpine", "--quiet"}).err.empty());
}

TEST_CASE("what a pull was told reaches the daemon", "[cli][image]") {
  EmberContext context;
  context.Run({"image", "pull", "host:5000/a/b", "--as", "b", "--plain-http", "--auth-file",
               "auth.json", "--size", "2G"});
  const v1::PullImageRequest request = context.host().images().last_pull();
  CHECK(request.reference() == "host:5000/a/b");
  CHECK(request.name() == "b");
  CHECK(request.plain_http());
  CHECK(request.auth_file() == Here("auth.json"));
  CHECK(request.size_bytes() == uint64_t{2} << 30);
}

TEST_CASE("a pull that fails has no result", "[cli][image]") {
  EmberContext context;
  const ProgramResult result = context.Run({"image", "pull", "missing"});
  CHECK(result.code == 4);
  CHECK(result.out.empty());
  CHECK_THAT(result.err, Contains("error: no such image there"));
}

TEST_CASE("on a terminal each layer has a line, which goes with the pull", "[cli][image]") {
  EmberContext context;
  RunningEmber ember = context.StartOnTerminal({"image", "pull", "alpine"}, 24, 80);
  const std::string seen = ember.ReadUntil("alpine\r\n");
  CHECK_THAT(seen, Contains("\n  aaaaaaaaaaaa  downloading  8M of 8M"));
  CHECK_THAT(seen, Contains("\n  bbbbbbbbbbbb  downloading  2M of 8M"));
  // The lines are taken away: two steps up and to the end of the screen.
  CHECK_THAT(seen, Contains("\r\x1b[2A\x1b[J"));
  CHECK(ember.Wait() == 0);
}

TEST_CASE("Ctrl-C cancels a pull in the daemon", "[cli][image]") {
  EmberContext context;
  RunningEmber ember = context.StartOnTerminal({"image", "pull", "slow"}, 24, 80);
  ember.ReadUntil("bbbbbbbbbbbb");
  REQUIRE(ember.process().Signal(SIGINT).ok());
  CHECK(ember.Wait() == 130);
  // It is told when the call's cancellation has reached it.
  for (int i = 0; i < 1000 && context.host().images().cancelled_pulls == 0; ++i) {
    REQUIRE(Cancellation().Pause(absl::Milliseconds(5), "the cancellation").ok());
  }
  CHECK(context.host().images().cancelled_pulls == 1);
}

TEST_CASE("archives are loaded and saved by absolute paths", "[cli][image]") {
  EmberContext context;
  CHECK(context.Run({"image", "load", "a.tar", "--name", "app"}).out == "app\n");
  CHECK(context.host().images().last_load().path() == Here("a.tar"));
  CHECK(context.Run({"image", "save", "app", "-o", "b.tar"}).out == Here("b.tar") + "\n");
  CHECK(context.host().images().last_save().format() == v1::SaveImageRequest::OCI_ARCHIVE);
  context.Run({"image", "save", "app", "-o", "b.tar", "--format", "docker"});
  CHECK(context.host().images().last_save().format() == v1::SaveImageRequest::DOCKER_ARCHIVE);
  const auto result =
      context.Run({"image", "save", "app", "--output", "b.tar", "--format", "json"});
  CHECK(json::parse(result.out)["size_bytes"] == 4096);
  CHECK(context.Run({"image", "save", "app"}).code == 2);
  CHECK(context.Run({"image", "save", "app", "-o", "b.tar", "--format", "zip"}).code == 2);
  // The words are that command's alone.
  CHECK(context.Run({"image", "list", "--format", "docker"}).code == 2);
}

TEST_CASE("names are given, moved and pruned", "[cli][image]") {
  EmberContext context;
  CHECK(context.Run({"image", "tag", "alpine:3.19", "base"}).out == "base\n");
  CHECK_FALSE(context.host().images().last_tag().move());
  context.Run({"image", "tag", "alpine:3.20", "base", "--move"});
  CHECK(context.host().images().last_tag().move());

  const ProgramResult pruned = context.Run({"image", "prune", "--all"});
  CHECK(pruned.out == "old\nsha256:0\n");
  CHECK_THAT(pruned.err, Contains("freed 5M"));
  CHECK(context.host().images().last_prune().all());
  const ProgramResult dry = context.Run({"image", "prune", "--dry-run", "--format", "json"});
  CHECK(json::parse(dry.out)["freed_bytes"] == 5 << 20);
  CHECK(context.host().images().last_prune().dry_run());
}

TEST_CASE("a build from a Dockerfile names its folder, or says what goes together",
          "[cli][image]") {
  EmberContext context;
  context.Run({"image", "build", "app", "-f", "Dockerfile.dev", "--build-arg", "V=1", "--target",
               "run", "src"});
  const v1::BuildImageRequest request = context.host().last_build();
  CHECK(request.context() == Here("src"));
  CHECK(request.dockerfile() == Here("Dockerfile.dev"));
  CHECK(request.build_args().at("V") == "1");
  CHECK(request.target() == "run");
  context.Run({"image", "build", "app"});
  CHECK(std::filesystem::path(context.host().last_build().context()) / "" ==
        std::filesystem::current_path() / "");
  context.Run({"image", "build", "app", "--from", "busybox"});
  CHECK(context.host().last_build().context().empty());

  CHECK(context.Run({"image", "build", "app", "--from", "busybox", "."}).code == 2);
  CHECK(context.Run({"image", "build", "app", "--packages", "git"}).code == 2);
}

TEST_CASE("a VM is made to run what its image is there for", "[cli][image][vm]") {
  EmberContext context;
  context.Run({"vm", "create", "web", "--image", "nginx", "--run", "--quiet"});
  CHECK(context.host().last_create().run_entrypoint());
  context.Run({"vm", "create", "db", "--image", "nginx", "--quiet"});
  CHECK_FALSE(context.host().last_create().run_entrypoint());
}

TEST_CASE("an image is deleted with its VMs only by force", "[cli][image]") {
  EmberContext context;
  context.Run({"image", "build", "bb", "--from", "busybox"});
  context.Run({"image", "delete", "bb"});
  CHECK_FALSE(context.host().last_image_delete().force());
  context.Run({"image", "delete", "bb", "--force"});
  CHECK(context.host().last_image_delete().force());
}

}  // namespace
}  // namespace ember::testing
