#include "backends/images/dockerfile_build.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <utility>
#include <vector>

#include "backends/images/line_reporter.h"
#include "backends/images/tool_environment.h"
#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/subprocess.h"

namespace ember::images {
namespace {

constexpr absl::Duration kRemoveLimit = absl::Minutes(1);

bool IsFile(const std::filesystem::path& path) {
  struct stat about {};
  return stat(path.c_str(), &about) == 0 && S_ISREG(about.st_mode);
}

absl::StatusOr<std::filesystem::path> FindDockerfile(const BuildRecipe& recipe) {
  if (!recipe.context.is_absolute()) {
    return InvalidArgument("the build context '{}' is not an absolute path",
                           recipe.context.native());
  }
  struct stat about {};
  if (stat(recipe.context.c_str(), &about) != 0 || !S_ISDIR(about.st_mode)) {
    return InvalidArgument("{}: no folder to build from", recipe.context.native());
  }
  if (!recipe.dockerfile.empty()) {
    if (IsFile(recipe.dockerfile)) return recipe.dockerfile;
    return InvalidArgument("{}: no such Dockerfile", recipe.dockerfile.native());
  }
  for (const char* name : {"Containerfile", "Dockerfile"}) {
    if (IsFile(recipe.context / name)) return recipe.context / name;
  }
  return WithHint(InvalidArgument("{}: it has no Dockerfile", recipe.context.native()),
                  "name the file with -f, or build from packages with --from debian:bookworm");
}

bool IsName(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.';
  });
}

// What is handed to the tool as a word of its own must not be taken for an option.
absl::Status CheckWords(const BuildRecipe& recipe) {
  if (!recipe.target.empty() && (!IsName(recipe.target) || recipe.target[0] == '-')) {
    return InvalidArgument("'{}' is not the name of a stage", recipe.target);
  }
  for (const auto& [name, value] : recipe.build_args) {
    if (!IsName(name)) return InvalidArgument("'{}' is not the name of a build argument", name);
    if (value.find('\0') != value.npos) {
      return InvalidArgument("build argument '{}' holds a NUL byte", name);
    }
  }
  return absl::OkStatus();
}

// The words that every tool understands alike.
std::vector<std::string> CommonWords(const BuildRecipe& recipe,
                                     const std::filesystem::path& dockerfile) {
  std::vector<std::string> words = {"--file", dockerfile.native()};
  for (const auto& [name, value] : recipe.build_args) {
    words.insert(words.end(), {"--build-arg", fmt::format("{}={}", name, value)});
  }
  if (!recipe.target.empty()) words.insert(words.end(), {"--target", recipe.target});
  return words;
}

absl::Status FailureOf(const std::string& tool, const ToolResult& result,
                       const LineReporter& reporter) {
  const std::string& words = reporter.last_words();
  const std::string cause = words.empty() ? result.exit.Describe() : words;
  const bool full = cause.find("no space left on device") != cause.npos;
  return MakeStatus(
      full ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kInvalidArgument,
      "{} could not build it: {}", tool, cause);
}

absl::Status RunBuild(const std::string& tool, std::vector<std::string> argv,
                      const std::filesystem::path& scratch, const ProgressSink& sink,
                      const Cancellation& cancellation) {
  LineReporter reporter(sink, "building");
  ToolOptions options;
  options.argv = std::move(argv);
  options.env = ToolEnvironment({"TMPDIR=" + scratch.native()});
  options.on_stdout = [&reporter](std::string_view text) { reporter.Add(text); };
  options.on_stderr = [&reporter](std::string_view text) { reporter.Add(text); };
  ASSIGN_OR_RETURN(const ToolResult result, RunTool(options, cancellation));
  return result.exit.code == 0 ? absl::OkStatus() : FailureOf(tool, result, reporter);
}

// As root in namespaces of its own: what it mounts is gone with it, and no process of it outlives
// it. Without root buildah makes itself such namespaces.
std::vector<std::string> Isolation() {
  if (geteuid() != 0) return {};
  return {"unshare", "--mount",      "--propagation",     "private", "--pid",
          "--fork",  "--mount-proc", "--kill-child=KILL", "--"};
}

absl::StatusOr<std::filesystem::path> BuildWithBuildah(const std::string& buildah,
                                                       const BuildRecipe& recipe,
                                                       const std::filesystem::path& dockerfile,
                                                       const std::filesystem::path& scratch,
                                                       const ProgressSink& sink,
                                                       const Cancellation& cancellation) {
  const std::filesystem::path archive = scratch / "image.tar";
  std::vector<std::string> argv = Isolation();
  argv.insert(argv.end(), {buildah, "--root", scratch / "storage", "--runroot", scratch / "run",
                           "bud", "--isolation", "chroot", "--layers=false", "--tag",
                           "oci-archive:" + archive.native()});
  const std::vector<std::string> common = CommonWords(recipe, dockerfile);
  argv.insert(argv.end(), common.begin(), common.end());
  argv.push_back(recipe.context.native());
  RETURN_IF_ERROR(RunBuild("buildah", std::move(argv), scratch, sink, cancellation));
  return archive;
}

// docker and podman build in a store of their own: the image is saved from there and removed.
absl::StatusOr<std::filesystem::path> BuildWithEngine(const std::string& engine,
                                                      const BuildRecipe& recipe,
                                                      const std::filesystem::path& dockerfile,
                                                      const std::filesystem::path& scratch,
                                                      const ProgressSink& sink,
                                                      const Cancellation& cancellation) {
  const std::string tool = std::filesystem::path(engine).filename();
  ASSIGN_OR_RETURN(const std::string uuid, RandomUuid());
  const std::string tag = "localhost/ember-build:" + uuid;
  const std::filesystem::path archive = scratch / "image.tar";
  std::vector<std::string> argv = {engine, "build", "--tag", tag};
  const std::vector<std::string> common = CommonWords(recipe, dockerfile);
  argv.insert(argv.end(), common.begin(), common.end());
  argv.push_back(recipe.context.native());
  absl::Status built = RunBuild(tool, std::move(argv), scratch, sink, cancellation);
  if (built.ok()) {
    built = RunToolForOutput({engine, "save", "--output", archive.native(), tag}, cancellation)
                .status();
  }
  // Also after a failure: it may have got as far as the tag. Nobody is left to tell otherwise.
  RunToolForOutput({engine, "rmi", "--force", tag}, Cancellation::After(kRemoveLimit))
      .IgnoreError();
  if (!built.ok()) return built;
  return archive;
}

}  // namespace

absl::StatusOr<std::filesystem::path> BuildDockerfile(const BuildRecipe& recipe,
                                                      const std::filesystem::path& scratch,
                                                      const ProgressSink& sink,
                                                      const Cancellation& cancellation) {
  RETURN_IF_ERROR(CheckWords(recipe));
  ASSIGN_OR_RETURN(const std::filesystem::path dockerfile, FindDockerfile(recipe));
  if (const auto buildah = FindProgram("buildah"); buildah.has_value()) {
    return BuildWithBuildah(*buildah, recipe, dockerfile, scratch, sink, cancellation);
  }
  for (const char* name : {"docker", "podman"}) {
    if (const auto engine = FindProgram(name); engine.has_value()) {
      return BuildWithEngine(*engine, recipe, dockerfile, scratch, sink, cancellation);
    }
  }
  return WithHint(FailedPrecondition("no program here can build from a Dockerfile"),
                  "run 'apt-get install buildah'; docker and podman do as well");
}

}  // namespace ember::images
