// Kills the daemon, or makes a step fail, at every named point of the verbs of images: no file is
// left that no image explains, but for whole layers of a pull that was cut off, and the verb can be
// repeated.
#include <fmt/format.h>
#include <signal.h>

#include <optional>
#include <set>
#include <string>

#include "base/file.h"
#include "base/subprocess.h"
#include "tests/e2e/installation.h"
#include "tests/integration/image_faults.h"
#include "tests/support/catch.h"
#include "tests/support/registry.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {
namespace {

// A daemon on a state directory of its own with the image "base", on which a verb meets a fault.
class ImageFaultContext {
 public:
  explicit ImageFaultContext(ImageVerb verb)
      : verb_(verb),
        ember_({EMBER_FAULTY_DAEMON, {"--allow-insecure-local"}, "info", state_.path()}) {
    for (const std::string name : {"base", "web"}) {
      REQUIRE_OK(MakeDirectories(files_ / name / "etc", 0755));
      REQUIRE_OK(WriteFileAtomically(files_ / name / "etc" / "hostname", name, 0644));
    }
    ember_.StartDaemon(WithPath({}));
    ember_.EmberOk({"image", "import", "base", (files_ / "base").native(), "--quiet"});
    if (verb == ImageVerb::kPull) Publish();
    if (verb == ImageVerb::kBuild) {
      REQUIRE_OK(WriteFileAtomically(files_ / "web" / "Dockerfile", "FROM scratch\nCOPY etc /etc\n",
                                     0644));
    }
    ember_.StopDaemon();
  }

  // Runs the verb on a daemon that is armed; answers whether the fault was met.
  bool Meet(std::string_view point, std::string_view what) {
    const std::filesystem::path hits = files_ / "hits";
    const std::filesystem::path gate = files_ / "gate";
    ember_.StartDaemon(
        WithPath({fmt::format("EMBER_FAULT={}={}", point, what), "EMBER_FAULT_PASS=1",
                  fmt::format("EMBER_FAULT_GATE={}", gate.native()),
                  fmt::format("EMBER_FAULT_HITS={}", hits.native())}));
    REQUIRE_OK(WriteFileAtomically(gate, "", 0600));
    outcome_ = ember_.Ember(Words());
    const bool met = std::filesystem::exists(hits);
    if (met && what == "KILL") {
      CHECK(ember_.AwaitDaemonEnd().signal == SIGKILL);
      ember_.StartDaemon(WithPath({}));
    }
    return met;
  }

  // Files of the store and its images agree.
  void CheckFiles() {
    const nlohmann::json images = ember_.Json({"image", "list"});
    INFO(images.dump() << ember_.DaemonLog());
    std::set<std::string> ids, digests;
    size_t names = 0;
    for (const nlohmann::json& image : images) {
      ids.insert(image["id"]);
      digests.insert(image["digest"]);
      names += image["names"].empty() ? 0 : 1;
      CHECK(std::filesystem::exists(std::string(image["path"])));
    }
    CHECK(Count("records") == ids.size());
    CHECK(Count("rootfs") == digests.size());
    CHECK(Count("names") == names);
    CheckLayers();
    // The four folders and nothing else: no work is under way.
    CHECK(Count("") == 4);
  }

  // It ends as it should when it is asked again: done, or done already.
  void Repeat() {
    constexpr int kNotFound = 4;
    constexpr int kExists = 5;
    const ToolResult result = ember_.Ember(Words());
    INFO(result.err << ember_.DaemonLog());
    const bool makes = verb_ == ImageVerb::kImport || verb_ == ImageVerb::kBuild;
    const int done_already = makes ? kExists : kNotFound;
    const bool good = result.exit.code == 0 || result.exit.code == done_already;
    CHECK(good);
    const bool has_base = Has("base");
    switch (verb_) {
      case ImageVerb::kImport:
      case ImageVerb::kPull:
      case ImageVerb::kBuild:
        CHECK(Has("web"));
        CHECK(has_base);
        return;
      case ImageVerb::kTag:
        CHECK(Has("extra"));
        CHECK(has_base);
        return;
      case ImageVerb::kDelete:
      case ImageVerb::kPrune:
        CHECK_FALSE(has_base);
    }
  }

  // With its images the store loses all their layers.
  void CheckEmptied() {
    ember_.EmberOk({"image", "prune", "--all", "--quiet"});
    CHECK(Count("blobs/sha256") == 0);
    CHECK(Count("rootfs") == 0);
  }

  const ToolResult& outcome() const { return outcome_; }

 private:
  // Puts an image into a registry of its own.
  void Publish() {
    registry_.emplace();
    const std::string archive = files_ / "web.tar";
    ember_.EmberOk({"image", "save", "base", "-o", archive, "--quiet"});
    registry_->Push("oci-archive:" + archive, "web:1");
  }

  // A manifest is there when all that it names is, and each file holds what its name says. Only
  // images that came in layers have some.
  void CheckLayers() const {
    const bool layered = verb_ == ImageVerb::kPull || verb_ == ImageVerb::kBuild;
    if (!layered) CHECK(Count("blobs/sha256") == 0);
    for (const auto& blob :
         std::filesystem::directory_iterator(state_ / "images" / "blobs" / "sha256")) {
      const std::string sum = ValueOf(RunToolForOutput({"sha256sum", blob.path().native()},
                                                       Cancellation::After(absl::Seconds(20))));
      CHECK(sum.substr(0, sum.find(' ')) == blob.path().filename().native());
    }
  }

  static std::vector<std::string> WithPath(std::vector<std::string> more) {
    more.push_back(fmt::format("PATH={}:{}", EMBER_BIN_DIR, std::getenv("PATH")));
    return more;
  }

  std::vector<std::string> Words() const {
    switch (verb_) {
      case ImageVerb::kImport:
        return {"image", "import", "web", (files_ / "web").native(), "--quiet"};
      case ImageVerb::kTag:
        return {"image", "tag", "base", "extra", "--quiet"};
      case ImageVerb::kDelete:
        return {"image", "delete", "base", "--quiet"};
      case ImageVerb::kPrune:
        return {"image", "prune", "--all", "--quiet"};
      case ImageVerb::kPull:
        return {"image", "pull",   registry_->address() + "/web:1", "--plain-http", "--as",
                "web",   "--quiet"};
      case ImageVerb::kBuild:
        return {"image", "build", "web", (files_ / "web").native(), "--quiet"};
    }
    return {};
  }

  bool Has(const std::string& name) const {
    return ember_.Ember({"image", "inspect", name}).exit.code == 0;
  }

  size_t Count(const std::string& folder) const {
    const std::filesystem::directory_iterator entries(state_ / "images" / folder);
    return static_cast<size_t>(std::distance(begin(entries), end(entries)));
  }

  const ImageVerb verb_;
  TempDir files_;
  TempDir state_;
  std::optional<Registry> registry_;
  Installation ember_;
  ToolResult outcome_;
};

bool CanRun(ImageVerb verb) {
  if (verb == ImageVerb::kPull) return HasRegistry();
  return verb != ImageVerb::kBuild || FindProgram("buildah").has_value();
}

void RunCase(const ImageCase& one, std::string_view what) {
  INFO(one.point << " " << what);
  ImageFaultContext context(one.verb);
  CHECK(context.Meet(one.point, what));
  INFO(context.outcome().err);
  if (what != "KILL") CHECK(context.outcome().exit.code != 0);
  context.CheckFiles();
  context.Repeat();
  context.CheckFiles();
  context.CheckEmptied();
}

TEST_CASE("a daemon killed at any point of an image's verb leaves whole images only",
          "[integration][faults][images]") {
  for (const ImageCase& one : kImageCases) {
    if (CanRun(one.verb)) RunCase(one, "KILL");
  }
}

TEST_CASE("a step of an image's verb that fails is undone", "[integration][faults][images]") {
  for (const ImageCase& one : kImageCases) {
    if (!one.can_fail || !CanRun(one.verb)) continue;
    for (const std::string_view what : {"ENOSPC", "EIO"}) RunCase(one, what);
  }
}

}  // namespace
}  // namespace ember::testing
