// `ember cp` and `ember fs` in real VMs.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "tests/base/tree/tar_stream.h"
#include "tests/e2e/installation.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {
namespace {

#define REQUIRE_PREPARED() \
  if (!PreparedState().has_value()) EMBER_SKIP("EMBER_TEST_STATE is not set: run ./tests/run")

// A tree with modes, times, links, holes and a larger file.
void MakeTree(const std::filesystem::path& root) {
  std::filesystem::create_directories(root / "sub" / std::string(150, 'd'));
  for (int i = 0; i < 200; ++i) Write(root / "sub" / fmt::format("file-{}", i), std::to_string(i));
  std::string large(5'000'003, '\0');
  for (size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 2654435761U >> 13);
  Write(root / "large", large);
  std::filesystem::create_symlink("sub/file-1", root / "link");
  std::filesystem::create_hard_link(root / "large", root / "same");
  Write(root / "script", "#!/bin/sh\necho it runs\n");
  REQUIRE(::chmod((root / "script").c_str(), 0751) == 0);
  const int fd = ::open((root / "sparse").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  REQUIRE(::ftruncate(fd, 60 << 20) == 0);
  REQUIRE(::pwrite(fd, "middle", 6, 30 << 20) == 6);
  ::close(fd);
  const timespec times[2] = {{1000, 5}, {2000, 7}};
  REQUIRE(::utimensat(AT_FDCWD, (root / "sub").c_str(), times, 0) == 0);
}

TEST_CASE("a tree goes into a VM, to another one and out again as it was", "[e2e][files]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("one");
  ember.CreateVm("two");
  TempDir temp;
  std::filesystem::create_directory(temp / "tree");
  MakeTree(temp / "tree");

  ember.EmberOk({"cp", temp / "tree", "one:/tree"});
  CHECK(ember.Exec("one", {"/tree/script"}) == "it runs\n");
  CHECK(ember.Exec("one", {"stat -c %a /tree/script"}) == "751\n");
  CHECK(ember.Exec("one", {"readlink /tree/link"}) == "sub/file-1\n");
  CHECK(std::stoi(ember.Exec("one", {"du -k /tree/sparse | cut -f1"})) < 1024);
  ember.EmberOk({"cp", "one:/tree", "two:/other"});
  ember.EmberOk({"cp", "two:/other", temp / "back"});
  CHECK(Listing(temp / "back") == Listing(temp / "tree"));
  CHECK(std::filesystem::equivalent(temp / "back/large", temp / "back/same"));
}

TEST_CASE("single files, standard streams and the verbs of fs", "[e2e][files]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web");
  TempDir temp;

  const ToolResult in = ember.Ember({"cp", "-", "web:/tmp/input"}, "from a pipe");
  INFO(in.err);
  REQUIRE(in.exit.code == 0);
  CHECK(ember.Exec("web", {"cat /tmp/input"}) == "from a pipe");
  CHECK(ember.EmberOk({"cp", "web:/tmp/input", "-"}) == "from a pipe");
  CHECK(ember.EmberOk({"fs", "cat", "web:/proc/sys/kernel/ostype"}) == "Linux\n");

  ember.EmberOk({"fs", "mkdir", "-p", "web:/srv/deep"});
  ember.EmberOk({"cp", "web:/tmp/input", "web:/srv"});
  const auto list = ember.Json({"fs", "ls", "web:/srv"});
  REQUIRE(list.size() == 2);
  CHECK(list[1]["name"] == "input");
  CHECK(list[1]["uid"] == 0);
  CHECK(ember.Json({"fs", "stat", "web:/srv/input"})["size_bytes"] == 11);
  ember.EmberOk({"fs", "rm", "-r", "web:/srv"});
  CHECK(ember.Ember({"fs", "ls", "web:/srv"}).exit.code == 4);
  CHECK(ember.Ember({"cp", "web:/srv", temp / "x"}).exit.code == 4);
  // A home of its own: relative paths are below /root.
  ember.EmberOk({"fs", "mkdir", "-p", "web:/root"});
  Write(temp / "note", "note");
  ember.EmberOk({"cp", temp / "note", "web:"});
  CHECK(ember.Exec("web", {"cat /root/note"}) == "note");
}

}  // namespace
}  // namespace ember::testing
