// `ember cp` and `ember fs` from end to end, with agents that run beside the test: what they see as
// the guest's files is a folder of the test's own.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "base/cancellation.h"
#include "base/subprocess.h"
#include "tests/base/tree/tar_stream.h"
#include "tests/e2e/installation.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {
namespace {

Installation::Shape LocalShape() {
  Installation::Shape shape;
  shape.daemon_words = {"--allow-insecure-local"};
  shape.log_level = "warn";
  return shape;
}

// Two VMs, and folders for what is "here" and "in the guest".
struct FilesContext {
  FilesContext() : ember(LocalShape()) {
    ember.StartDaemon();
    for (const char* vm : {"one", "two"}) {
      ember.EmberOk({"vm", "create", vm, "--image", "none", "--backend", "local", "--quiet"});
      ember.EmberOk({"vm", "wait", vm, "--for", "agent"});
    }
    std::filesystem::create_directories(temp / "guest");
    std::filesystem::create_directories(temp / "here/tree/sub");
    Write(temp / "here/file", "content\n");
    Write(temp / "here/tree/sub/small", "small");
    Write(temp / "here/tree/large", std::string(3'000'001, 'l'));
    std::filesystem::create_symlink("sub/small", temp / "here/tree/link");
    REQUIRE(::chmod((temp / "here/tree/sub/small").c_str(), 0751) == 0);
  }

  std::string Here(std::string_view name) const { return (temp / "here" / name).native(); }
  std::string Guest(std::string_view name, std::string_view vm = "one") const {
    return fmt::format("{}:{}", vm, (temp / "guest" / name).native());
  }
  void Copy(const std::string& from, const std::string& to) const {
    CAPTURE(from, to);
    const ToolResult copied = ember.Ember({"cp", from, to});
    INFO(copied.err);
    REQUIRE(copied.exit.code == 0);
    CHECK(copied.err.find("error") == std::string::npos);
  }

  TempDir temp;
  Installation ember;
};

TEST_CASE("trees go into a VM, to another one and out again", "[integration][files]") {
  FilesContext context;
  const auto& temp = context.temp;
  context.Copy(context.Here("tree"), context.Guest("tree"));
  CHECK(Listing(temp / "guest/tree") == Listing(temp / "here/tree"));
  context.Copy(context.Guest("tree"), context.Guest("second", "two"));
  CHECK(Listing(temp / "guest/second") == Listing(temp / "here/tree"));
  context.Copy(context.Guest("second", "two"), context.Here("back"));
  CHECK(Listing(temp / "here/back") == Listing(temp / "here/tree"));
  // A directory that is there takes the copy in.
  context.Copy(context.Guest("tree"), context.Here("back"));
  CHECK(Listing(temp / "here/back/tree") == Listing(temp / "here/tree"));
  context.Copy(context.Here("tree/."), context.Guest("contents"));
  CHECK(Listing(temp / "guest/contents") == Listing(temp / "here/tree"));
}

TEST_CASE("standard streams carry one file", "[integration][files]") {
  FilesContext context;
  std::string input(1'000'000, '\0');
  for (size_t i = 0; i < input.size(); ++i) input[i] = static_cast<char>(i * i >> 3);
  const ToolResult in = context.ember.Ember({"cp", "-", context.Guest("f")}, input);
  INFO(in.err);
  REQUIRE(in.exit.code == 0);
  CHECK(ContentOf(context.temp / "guest/f") == input);
  CHECK(context.ember.EmberOk({"cp", context.Guest("f"), "-"}) == input);
  CHECK(context.ember.EmberOk({"fs", "cat", context.Guest("f")}) == input);
  const ToolResult directory = context.ember.Ember({"fs", "cat", context.Guest("")});
  CHECK(directory.exit.code == 2);
  CHECK(directory.out.empty());
}

TEST_CASE("fs shows, makes and removes files", "[integration][files]") {
  FilesContext context;
  context.ember.EmberOk({"fs", "mkdir", "-p", context.Guest("a/b")});
  CHECK(context.ember.Ember({"fs", "mkdir", context.Guest("a/b")}).exit.code == 5);
  context.Copy(context.Here("file"), context.Guest("a"));
  const auto list = context.ember.Json({"fs", "ls", context.Guest("a")});
  REQUIRE(list.size() == 2);
  CHECK(list[0]["name"] == "b");
  CHECK(list[0]["type"] == "directory");
  CHECK(list[1]["name"] == "file");
  CHECK(list[1]["size_bytes"] == 8);
  const auto file = context.ember.Json({"fs", "stat", context.Guest("a/file")});
  CHECK(file["mode"] == "0644");
  CHECK(file["user"] == "root");
  CHECK(context.ember.EmberOk({"fs", "ls", context.Guest("a")}).find("drwxr-xr-x") !=
        std::string::npos);
  CHECK(context.ember.Ember({"fs", "rm", context.Guest("a")}).exit.code == 2);
  context.ember.EmberOk({"fs", "rm", "-r", context.Guest("a")});
  CHECK_FALSE(std::filesystem::exists(context.temp / "guest/a"));
  CHECK(context.ember.Ember({"fs", "rm", context.Guest("a")}).exit.code == 4);
  context.ember.EmberOk({"fs", "rm", "-f", context.Guest("a")});
  CHECK(context.ember.Ember({"fs", "rm", "-r", "one:/"}).exit.code == 8);
}

TEST_CASE("a copy that can't be says why", "[integration][files]") {
  FilesContext context;
  const auto code = [&](const std::string& from, const std::string& to) {
    const ToolResult result = context.ember.Ember({"cp", from, to});
    CHECK(result.err.starts_with("error: "));
    return result.exit.code;
  };
  CHECK(code(context.Here("missing"), context.Guest("x")) == 4);
  CHECK(code(context.Guest("missing"), context.Here("x")) == 4);
  CHECK(code(context.Guest("missing"), context.Guest("x", "two")) == 4);
  CHECK(code(context.Here("file"), context.Guest("no/such/folder")) == 4);
  CHECK(code("nobody:/x", context.Here("x")) == 4);
  CHECK(code(context.Here("file"), context.Here("x")) != 0);
  CHECK_FALSE(std::filesystem::exists(context.temp / "here/x"));
  CHECK(Listing(context.temp / "guest").empty());
  std::filesystem::create_directories(context.temp / "guest/in/file");
  CHECK(code(context.Here("file"), context.Guest("in")) == 5);
}

TEST_CASE("an interrupted copy leaves no partial file", "[integration][files]") {
  FilesContext context;
  // A copy that never ends: its input stays open.
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  SpawnOptions options;
  options.argv = context.ember.EmberTool({"cp", "-", context.Guest("f")}).argv;
  options.stdin_fd = reader.get();
  Process copy = ValueOf(Spawn(options));
  const auto files = [&context] { return EntryCount(context.temp / "guest"); };
  // So much more than all windows that the first piece must be through.
  const std::string some(4 << 20, 's');
  REQUIRE(::write(writer.get(), some.data(), some.size()) == static_cast<ssize_t>(some.size()));
  const Cancellation patience = Cancellation::After(absl::Seconds(60));
  while (files() == 0) REQUIRE_OK(patience.Pause(absl::Milliseconds(5), "the partial file"));
  REQUIRE_OK(copy.Signal(SIGINT));
  CHECK(ValueOf(copy.Wait(patience)).code == 130);
  while (files() > 0) REQUIRE_OK(patience.Pause(absl::Milliseconds(5), "the partial file's end"));
}

}  // namespace
}  // namespace ember::testing
