// Images from a registry and archives, through the real daemon; no VM is started.
#include <fmt/format.h>

#include <filesystem>
#include <future>
#include <optional>
#include <string>

#include "base/cancellation.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "tests/e2e/installation.h"
#include "tests/support/catch.h"
#include "tests/support/registry.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {
namespace {

using Catch::Matchers::Contains;

#define REQUIRE_REGISTRY() \
  if (!HasRegistry()) EMBER_SKIP("docker-registry and skopeo are needed")

// A daemon with an image "made" of a folder, and files for archives.
class TransferContext {
 public:
  TransferContext() : ember_({{}, {"--allow-insecure-local"}, "info", state_.path()}) {
    REQUIRE_OK(MakeDirectories(files_ / "root" / "etc", 0755));
    REQUIRE_OK(WriteFileAtomically(files_ / "root" / "etc" / "hostname", "made\n", 0644));
    ember_.StartDaemon();
    ember_.EmberOk({"image", "import", "made", (files_ / "root").native(), "--quiet"});
  }
  Installation& ember() { return ember_; }
  std::string File(const std::string& name) const { return files_ / name; }
  // Puts the image "made" into the registry, under a name there.
  void Push(const Registry& registry, const std::string& name) {
    const std::string archive = File("push.tar");
    std::filesystem::remove(archive);
    ember_.EmberOk({"image", "save", "made", "-o", archive, "--quiet"});
    registry.Push("oci-archive:" + archive, name);
  }
  nlohmann::json Image(const std::string& name) const {
    return ember_.Json({"image", "inspect", name});
  }
  size_t Count(const std::string& folder) const {
    const std::filesystem::directory_iterator entries(state_ / "images" / folder);
    return static_cast<size_t>(std::distance(begin(entries), end(entries)));
  }

 private:
  TempDir files_;
  TempDir state_;
  Installation ember_;
};

TEST_CASE("an image that was saved is loaded again as the same files", "[integration][images]") {
  if (!FindProgram("skopeo").has_value()) EMBER_SKIP("skopeo is not installed");
  TransferContext context;
  const std::string form = GENERATE("oci", "docker");
  const std::string archive = context.File("out.tar");
  context.ember().EmberOk({"image", "save", "made", "-o", archive, "--format", form, "--quiet"});
  const ToolResult again = context.ember().Ember({"image", "save", "made", "-o", archive});
  CHECK(again.exit.code == 5);  // the file is there
  CHECK(context.Count("blobs/sha256") == 0);

  context.ember().EmberOk({"image", "load", archive, "--name", "copy", "--quiet"});
  CHECK(context.Image("copy")["layers"].size() == 1);
  CHECK(context.Image("copy")["source"] == "archive:out.tar");
  // The same archive again is the same image.
  const nlohmann::json first = context.Image("copy");
  context.ember().EmberOk({"image", "load", archive, "--name", "copy", "--quiet"});
  CHECK(context.Image("copy")["id"] == first["id"]);
  context.ember().EmberOk({"image", "delete", "copy", "--quiet"});
  CHECK(context.Count("blobs/sha256") == 0);
  CHECK(context.ember().Ember({"image", "load", context.File("none.tar")}).exit.code == 4);
}

TEST_CASE("an image is pulled once, however many ask for it", "[integration][images]") {
  REQUIRE_REGISTRY();
  const Registry registry;
  TransferContext context;
  const std::string reference = registry.address() + "/team/app:1";
  context.Push(registry, "team/app:1");

  const ToolOptions pull = context.ember().EmberTool({"image", "pull", reference, "--plain-http"});
  const auto run = [&pull] { return RunTool(pull, Cancellation::After(absl::Minutes(1))); };
  auto other = std::async(std::launch::async, run);
  const auto mine = run();
  const auto theirs = other.get();
  REQUIRE_OK(mine);
  REQUIRE_OK(theirs);
  INFO(mine->err << theirs->err << context.ember().DaemonLog());
  CHECK(mine->exit.code == 0);
  CHECK(theirs->exit.code == 0);
  CHECK(mine->out == reference + "\n");

  const nlohmann::json image = context.Image(reference);
  CHECK(image["source"] == "pull:" + reference);
  CHECK(image["layers"].size() == 1);
  // Under another name it is the same image, and its layers go with its last name.
  context.ember().EmberOk({"image", "pull", reference, "--plain-http", "--as", "app", "--quiet"});
  CHECK(context.Image("app")["id"] == image["id"]);
  const ToolResult taken =
      context.ember().Ember({"image", "pull", reference, "--plain-http", "--as", "made"});
  CHECK(taken.exit.code == 5);
  context.ember().EmberOk({"image", "delete", "app", "--quiet"});
  CHECK(context.Count("blobs/sha256") == 3);
  context.ember().EmberOk({"image", "delete", reference, "--quiet"});
  CHECK(context.Count("blobs/sha256") == 0);
}

TEST_CASE("a tag that has moved in the registry moves here", "[integration][images]") {
  REQUIRE_REGISTRY();
  const Registry registry;
  TransferContext context;
  const std::string reference = registry.address() + "/app";
  context.Push(registry, "app:latest");
  const auto pull = [&] {
    context.ember().EmberOk({"image", "pull", reference, "--plain-http", "--quiet"});
    return context.Image(reference);
  };
  const nlohmann::json old = pull();
  REQUIRE_OK(WriteFileAtomically(context.File("root") + "/etc/hostname", "newer\n", 0644));
  context.ember().EmberOk({"image", "delete", "made", "--quiet"});
  context.ember().EmberOk({"image", "import", "made", context.File("root"), "--quiet"});
  context.Push(registry, "app:latest");
  CHECK(pull()["id"] != old["id"]);
  CHECK(context.Image(old["id"])["names"].empty());
  const nlohmann::json pruned = context.ember().Json({"image", "prune"});
  CHECK(pruned["images"] == nlohmann::json::array({old["id"]}));
  CHECK(context.Count("rootfs") == 2);
}

TEST_CASE("what is not in the registry is told as not found", "[integration][images]") {
  REQUIRE_REGISTRY();
  const Registry registry;
  TransferContext context;
  const ToolResult missing =
      context.ember().Ember({"image", "pull", registry.address() + "/nothing:1", "--plain-http"});
  INFO(missing.err);
  CHECK(missing.exit.code == 4);
  CHECK_THAT(missing.err, Contains("nothing"));
  const ToolResult wrong = context.ember().Ember({"image", "pull", "Bad Name"});
  CHECK(wrong.exit.code == 2);
  CHECK(context.Count("blobs/sha256") == 0);
}

}  // namespace
}  // namespace ember::testing
