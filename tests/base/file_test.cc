#include "base/file.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <set>
#include <thread>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/support/catch.h"
#include "tests/support/file_mode.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember {
namespace {

using testing::ModeOf;
using testing::TempDir;
using testing::ValueOf;

size_t EntriesIn(const std::filesystem::path& path) {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(path), {}));
}

TEST_CASE("a file is read whole, one of /proc too", "[base][file]") {
  const TempDir dir;
  const std::string content(100'000, 'x');
  std::ofstream(dir / "f") << content;
  CHECK(ValueOf(ReadFile(dir / "f")) == content);
  CHECK(ValueOf(ReadFile("/proc/self/stat")).starts_with(std::to_string(getpid())));
}

TEST_CASE("a file that is not there is not found, by its path", "[base][file]") {
  const absl::Status status = ReadFile("/absent/file").status();
  CHECK(status.code() == absl::StatusCode::kNotFound);
  CHECK(Message(status) == "/absent/file: No such file or directory");
}

TEST_CASE("a file over 64 MiB is refused", "[base][file]") {
  const TempDir dir;
  std::ofstream(dir / "f").flush();
  std::filesystem::resize_file(dir / "f", (64u << 20) + 1);
  CHECK(ReadFile(dir / "f").status().code() == absl::StatusCode::kResourceExhausted);
}

TEST_CASE("a file is replaced in one step with the asked mode", "[base][file]") {
  const TempDir dir;
  REQUIRE_OK(WriteFileAtomically(dir / "f", "old", 0644));
  REQUIRE_OK(WriteFileAtomically(dir / "f", "new", 0640));
  CHECK(ValueOf(ReadFile(dir / "f")) == "new");
  CHECK(ModeOf(dir / "f") == 0640);
  CHECK(EntriesIn(dir.path()) == 1);
}

TEST_CASE("a replacement that fails leaves nothing and changes nothing", "[base][file]") {
  const TempDir dir;
  CHECK(WriteFileAtomically(dir / "absent" / "f", "x", 0600).code() == absl::StatusCode::kNotFound);
  // A directory can't be replaced by a file.
  std::filesystem::create_directory(dir / "taken");
  CHECK_FALSE(WriteFileAtomically(dir / "taken", "x", 0600).ok());
  CHECK(EntriesIn(dir.path()) == 1);
  CHECK(std::filesystem::is_directory(dir / "taken"));
}

TEST_CASE("missing parents are made, all with the mode, whatever the umask", "[base][file]") {
  const TempDir dir;
  const mode_t before = umask(077);
  const absl::Status status = MakeDirectories(dir / "a" / "b" / "c", 0755);
  umask(before);
  REQUIRE_OK(status);
  CHECK(ModeOf(dir / "a") == 0755);
  CHECK(ModeOf(dir / "a" / "b") == 0755);
  CHECK(ModeOf(dir / "a" / "b" / "c") == 0755);
}

TEST_CASE("a directory that is there keeps its mode", "[base][file]") {
  const TempDir dir;
  REQUIRE_OK(MakeDirectories(dir / "a", 0700));
  REQUIRE_OK(MakeDirectories(dir / "a", 0755));
  REQUIRE_OK(MakeDirectories((dir / "a").native() + "/", 0755));
  CHECK(ModeOf(dir / "a") == 0700);
}

TEST_CASE("a file in the way of a directory is named", "[base][file]") {
  const TempDir dir;
  std::ofstream(dir / "f") << "x";
  const absl::Status status = MakeDirectories(dir / "f", 0700);
  CHECK(status.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(Message(status) == (dir / "f").native() + ": exists and is not a directory");
}

TEST_CASE("a tree is removed without following links out of it", "[base][file]") {
  const TempDir dir;
  REQUIRE_OK(MakeDirectories(dir / "keep", 0700));
  REQUIRE_OK(MakeDirectories(dir / "tree" / "deep", 0700));
  std::ofstream(dir / "keep" / "precious") << "x";
  std::filesystem::create_symlink(dir / "keep", dir / "tree" / "deep" / "link");
  REQUIRE_OK(RemoveTree(dir / "tree"));
  REQUIRE_OK(RemoveTree(dir / "tree"));
  CHECK_FALSE(std::filesystem::exists(dir / "tree"));
  CHECK(std::filesystem::exists(dir / "keep" / "precious"));
}

// Whether another process gets the lock.
bool OtherProcessLocks(const std::filesystem::path& path) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const absl::StatusOr<UniqueFd> lock = LockFile(path);
    _exit(lock.ok() ? 0 : (lock.status().code() == absl::StatusCode::kAlreadyExists ? 1 : 2));
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) <= 1);
  return WEXITSTATUS(status) == 0;
}

TEST_CASE("a lock keeps other processes out until it is closed", "[base][file]") {
  const TempDir dir;
  UniqueFd lock = ValueOf(LockFile(dir / "lock"));
  CHECK(LockFile(dir / "lock").status().code() == absl::StatusCode::kAlreadyExists);
  CHECK_FALSE(OtherProcessLocks(dir / "lock"));
  lock.Reset();
  CHECK(OtherProcessLocks(dir / "lock"));
  CHECK(LockFile(dir / "lock").ok());
}

TEST_CASE("uuids are of version 4 and never the same", "[base][file]") {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const std::string uuid = ValueOf(RandomUuid());
    REQUIRE(uuid.size() == 36);
    for (const size_t dash : {8, 13, 18, 23}) CHECK(uuid[dash] == '-');
    CHECK(uuid[14] == '4');
    CHECK(std::string_view("89ab").find(uuid[19]) != std::string_view::npos);
    CHECK(uuid.find_first_not_of("0123456789abcdef-") == std::string::npos);
    seen.insert(uuid);
  }
  CHECK(seen.size() == 100);
}

TEST_CASE("UUIDs of later milliseconds sort behind", "[base][file]") {
  const std::string before = ValueOf(TimeOrderedUuid());
  CHECK(before[14] == '7');
  CHECK(std::string_view("89ab").find(before[19]) != std::string_view::npos);
  const int64_t now = absl::ToUnixMillis(absl::Now());
  while (absl::ToUnixMillis(absl::Now()) <= now + 1) continue;
  const std::string after = ValueOf(TimeOrderedUuid());
  CHECK(before < after);
  const int64_t told = std::stoll(after.substr(0, 8) + after.substr(9, 4), nullptr, 16);
  CHECK(told > now);
  CHECK(told <= absl::ToUnixMillis(absl::Now()));
}

TEST_CASE("the host has one boot id", "[base][file]") {
  const std::string id = ValueOf(HostBootId());
  CHECK(id.size() == 36);
  CHECK(ValueOf(HostBootId()) == id);
}

TEST_CASE("a tree from which others remove files at the same time is gone in the end",
          "[base][file]") {
  const TempDir dir;
  const auto tree = dir / "tree";
  for (int round = 0; round < 20; ++round) {
    REQUIRE_OK(MakeDirectories(tree, 0700));
    for (int file = 0; file < 50; ++file) std::ofstream(tree / std::to_string(file)).put('x');
    std::thread helper([&tree] {
      for (int file = 49; file >= 0; --file) unlink((tree / std::to_string(file)).c_str());
    });
    const absl::Status removed = RemoveTree(tree);
    helper.join();
    REQUIRE_OK(removed);
    CHECK_FALSE(std::filesystem::exists(tree));
  }
}

}  // namespace
}  // namespace ember
