#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "tests/base/tree/tar_stream.h"
#include "tests/guest-agent/file_client.h"
#include "tests/support/temp_dir.h"

using namespace ember;
using namespace ember::testing;

namespace {

FileClient::Answer List(const AgentProcess& agent, const std::string& path) {
  v1::ClientFrame frame;
  frame.mutable_list_directory()->set_path(path);
  return FileClient(agent).Ask(frame);
}

FileClient::Answer Stat(const AgentProcess& agent, const std::string& path, bool follow = false) {
  v1::ClientFrame frame;
  frame.mutable_stat_file()->set_path(path);
  frame.mutable_stat_file()->set_follow_symlinks(follow);
  return FileClient(agent).Ask(frame);
}

FileClient::Answer Remove(const AgentProcess& agent, const std::string& path,
                          bool recursive = false, bool missing_ok = false) {
  v1::ClientFrame frame;
  frame.mutable_remove_file()->set_path(path);
  frame.mutable_remove_file()->set_recursive(recursive);
  frame.mutable_remove_file()->set_missing_ok(missing_ok);
  return FileClient(agent).Ask(frame);
}

FileClient::Answer Make(const AgentProcess& agent, const std::string& path, bool parents = false,
                        uint32_t mode = 0) {
  v1::ClientFrame frame;
  frame.mutable_make_directory()->set_path(path);
  frame.mutable_make_directory()->set_parents(parents);
  frame.mutable_make_directory()->set_mode(mode);
  return FileClient(agent).Ask(frame);
}

mode_t ModeOf(const std::filesystem::path& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

}  // namespace

TEST_CASE("stat tells of a file, or of what a link points to", "[agent][files]") {
  AgentProcess agent;
  TempDir temp;
  Write(temp / "f", "12345");
  std::filesystem::create_symlink("f", temp / "l");
  const auto link = Stat(agent, temp / "l");
  REQUIRE(link.files.size() == 1);
  CHECK(S_ISLNK(link.files[0].mode()));
  CHECK(link.files[0].link_target() == "f");
  CHECK(link.files[0].name() == (temp / "l").native());
  const auto file = Stat(agent, temp / "l", true);
  REQUIRE(file.files.size() == 1);
  CHECK(S_ISREG(file.files[0].mode()));
  CHECK(file.files[0].size_bytes() == 5);
  CHECK(file.files[0].uid() == ::getuid());
  struct stat status {};
  REQUIRE(::stat((temp / "f").c_str(), &status) == 0);
  CHECK(file.files[0].mtime_unix_ns() ==
        status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec);
  CHECK(Stat(agent, "/").files.at(0).user() == "root");
  CHECK(Stat(agent, temp / "missing").reason() == v1::Failure::NOT_FOUND);
  CHECK(Stat(agent, temp / "f/below").reason() == v1::Failure::NOT_FOUND);
  CHECK(Stat(agent, "relative").reason() == v1::Failure::BAD_REQUEST);
}

TEST_CASE("a long list comes in parts, with names that are no text", "[agent][files]") {
  AgentProcess agent;
  TempDir temp;
  for (int i = 0; i < 3000; ++i) Write(temp / fmt::format("file-{}", i), "");
  Write(temp / "odd-\xff", "");
  const auto list = List(agent, temp.path());
  CHECK(list.files.size() == 3001);
  CHECK(std::count_if(list.files.begin(), list.files.end(),
                      [](const v1::FileInfo& file) { return file.name() == "odd-\\xFF"; }) == 1);
  CHECK(List(agent, temp / "missing").reason() == v1::Failure::NOT_FOUND);
  CHECK(List(agent, temp / "file-1").reason() == v1::Failure::NOT_FOUND);
}

TEST_CASE("files are removed, directories when that was asked for", "[agent][files]") {
  AgentProcess agent;
  TempDir temp;
  std::filesystem::create_directories(temp / "d/e/f");
  Write(temp / "d/e/file", "");
  Write(temp / "outside", "kept");
  std::filesystem::create_symlink(temp.path(), temp / "d/e/link");
  CHECK(Remove(agent, temp / "d").reason() == v1::Failure::BAD_REQUEST);
  CHECK(Remove(agent, temp / "missing").reason() == v1::Failure::NOT_FOUND);
  CHECK(Remove(agent, temp / "missing", false, true).done);
  CHECK(Remove(agent, temp / "missing/deep", true, true).done);
  CHECK(Remove(agent, temp / "d/e/file").done);
  CHECK(Remove(agent, (temp / "d").native() + "/", true).done);
  CHECK_FALSE(std::filesystem::exists(temp / "d"));
  CHECK(ContentOf(temp / "outside") == "kept");
}

TEST_CASE("the root is never removed", "[agent][files]") {
  AgentProcess agent;
  for (const char* root : {"/", "//"}) {
    CHECK(Remove(agent, root, true, true).reason() == v1::Failure::DENIED);
  }
  for (const char* path : {"/tmp/..", "/.", "/tmp/."}) {
    CHECK(Remove(agent, path, true, true).reason() == v1::Failure::BAD_REQUEST);
  }
}

TEST_CASE("directories are made, with parents when that was asked for", "[agent][files]") {
  AgentProcess agent;
  TempDir temp;
  CHECK(Make(agent, temp / "a").done);
  CHECK(ModeOf(temp / "a") == 0755);
  CHECK(Make(agent, temp / "a").reason() == v1::Failure::EXISTS);
  CHECK(Make(agent, temp / "x/y").reason() == v1::Failure::NOT_FOUND);
  CHECK(Make(agent, temp / "x/y/z", true, 01777).done);
  CHECK(ModeOf(temp / "x/y/z") == 01777);
  CHECK(ModeOf(temp / "x/y") == 0755);
  CHECK(Make(agent, temp / "x/y", true).done);
  Write(temp / "f", "");
  CHECK(Make(agent, temp / "f", true).reason() == v1::Failure::EXISTS);
}
