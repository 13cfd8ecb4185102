// Which tool builds, with which words, and what is told when none can. The tools are stand-ins that
// note how they are called; tests/e2e/images_test.cc builds with buildah itself.
#include "backends/images/dockerfile_build.h"

#include <stdlib.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/status.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember::images {
namespace {

using Catch::Matchers::Contains;
using testing::ValueOf;

Cancellation Soon() { return Cancellation::After(absl::Minutes(1)); }

// A machine on which only the tools are to be found that a test puts there.
class Machine {
 public:
  Machine() {
    const char* path = getenv("PATH");
    if (path != nullptr) path_before_ = path;
    for (const char* name : {"bin", "context", "scratch"}) {
      REQUIRE_OK(MakeDirectories(dir_ / name, 0755));
    }
    REQUIRE_OK(WriteFileAtomically(context() / "Dockerfile", "FROM scratch\n", 0644));
    setenv("PATH", (dir_ / "bin").c_str(), 1);
  }
  ~Machine() {
    if (path_before_.has_value()) {
      setenv("PATH", path_before_->c_str(), 1);
    } else {
      unsetenv("PATH");
    }
  }

  // A docker or podman: notes its words, says `says` and ends with `code` when it is to build, and
  // saves an archive.
  void Install(std::string_view name, std::string_view says = "built", int code = 0) {
    const std::string script = fmt::format(
        "#!/bin/sh\n"
        "echo \"$*\" >>'{0}'\n"
        "case $1 in\n"
        "build) echo '{1}'; exit {2} ;;\n"
        "save) echo archive >\"$3\" ;;\n"
        "esac\n",
        log().native(), says, code);
    REQUIRE_OK(WriteFileAtomically(dir_ / "bin" / name, script, 0755));
  }

  BuildRecipe Recipe() const {
    BuildRecipe recipe;
    recipe.context = context();
    return recipe;
  }
  absl::StatusOr<std::filesystem::path> Build(const BuildRecipe& recipe) {
    return BuildDockerfile(
        recipe, dir_ / "scratch", [this](const Progress& step) { said_ += step.message + "\n"; },
        Soon());
  }

  std::filesystem::path context() const { return dir_ / "context"; }
  std::filesystem::path log() const { return dir_ / "log"; }
  std::string Calls() const { return ReadFile(log()).value_or(""); }
  const std::string& said() const { return said_; }

 private:
  testing::TempDir dir_;
  std::optional<std::string> path_before_;
  std::string said_;
};

// The tag of the log's first line, "build --tag TAG ...".
std::string TagOf(const std::string& calls) {
  const std::string before = "build --tag ";
  REQUIRE(calls.starts_with(before));
  return calls.substr(before.size(), calls.find(' ', before.size()) - before.size());
}

TEST_CASE("without buildah, docker or podman builds, and keeps nothing", "[images][dockerfile]") {
  Machine machine;
  const std::string tool = GENERATE(as<std::string>(), "docker", "podman");
  machine.Install(tool, "STEP 1/1: FROM scratch");
  BuildRecipe recipe = machine.Recipe();
  recipe.build_args = {{"MODE", "a b"}};
  recipe.target = "final";
  const std::filesystem::path archive = ValueOf(machine.Build(recipe));
  CHECK(ValueOf(ReadFile(archive)) == "archive\n");
  const std::string tag = TagOf(machine.Calls());
  CHECK(
      machine.Calls() ==
      fmt::format("build --tag {0} --file {1}/Dockerfile --build-arg MODE=a b --target final {1}\n"
                  "save --output {2} {0}\n"
                  "rmi --force {0}\n",
                  tag, machine.context().native(), archive.native()));
  CHECK_THAT(machine.said(), Contains("STEP 1/1"));
}

TEST_CASE("docker is asked before podman", "[images][dockerfile]") {
  Machine machine;
  machine.Install("podman", "podman", 1);
  machine.Install("docker");
  REQUIRE_OK(machine.Build(machine.Recipe()).status());
}

TEST_CASE("a build that fails says why, and its image is removed", "[images][dockerfile]") {
  Machine machine;
  machine.Install("podman", "Error: no such stage", 125);
  const absl::Status status = machine.Build(machine.Recipe()).status();
  CHECK(absl::IsInvalidArgument(status));
  CHECK_THAT(std::string(Message(status)),
             Contains("podman could not build it: Error: no such stage"));
  const std::string calls = machine.Calls();
  CHECK_THAT(calls, Contains("rmi --force " + TagOf(calls)));
  CHECK_THAT(calls, !Contains("save"));
}

TEST_CASE("a build on a full disk is told from one with a fault", "[images][dockerfile]") {
  Machine machine;
  machine.Install("docker", "Error: write /layer: no space left on device", 1);
  CHECK(absl::IsResourceExhausted(machine.Build(machine.Recipe()).status()));
}

TEST_CASE("without any tool the answer says what to install", "[images][dockerfile]") {
  Machine machine;
  const absl::Status status = machine.Build(machine.Recipe()).status();
  CHECK(absl::IsFailedPrecondition(status));
  CHECK_THAT(HintOf(status).value_or(""), Contains("apt-get install buildah"));
}

TEST_CASE("what can't be built is refused before a tool is asked", "[images][dockerfile]") {
  Machine machine;
  machine.Install("docker");
  BuildRecipe recipe = machine.Recipe();
  std::string reason;
  SECTION("a folder that is not there") {
    recipe.context /= "absent";
    reason = "no folder to build from";
  }
  SECTION("a folder named from somewhere") {
    recipe.context = "context";
    reason = "'context' is not an absolute path";
  }
  SECTION("a folder without a Dockerfile") {
    REQUIRE(unlink((machine.context() / "Dockerfile").c_str()) == 0);
    reason = "it has no Dockerfile";
  }
  SECTION("a Dockerfile that is not there") {
    recipe.dockerfile = machine.context() / "Dockerfile.dev";
    reason = "Dockerfile.dev: no such Dockerfile";
  }
  SECTION("a stage that is an option") {
    recipe.target = "--privileged";
    reason = "'--privileged' is not the name of a stage";
  }
  SECTION("a build argument without a name") {
    recipe.build_args = {{"", "x"}};
    reason = "'' is not the name of a build argument";
  }
  SECTION("a build argument that no program could be given") {
    recipe.build_args = {{"A", std::string("x\0y", 3)}};
    reason = "build argument 'A' holds a NUL byte";
  }
  const absl::Status status = machine.Build(recipe).status();
  CHECK(absl::IsInvalidArgument(status));
  CHECK_THAT(std::string(Message(status)), Contains(reason));
  CHECK(machine.Calls().empty());
}

}  // namespace
}  // namespace ember::images
