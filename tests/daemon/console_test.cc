#include <unistd.h>

#include <fstream>

#include "base/awaited.h"
#include "base/file.h"
#include "base/sequence.h"
#include "base/socket.h"
#include "daemon/console_follower.h"
#include "daemon/console_log.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember::daemon {
namespace {

using testing::TempDir;
using testing::ValueOf;

// As a hypervisor writes it: in append mode.
void Append(const std::filesystem::path& path, std::string_view text) {
  std::ofstream(path, std::ios::app) << text;
}

TEST_CASE("a console within its limit is left as it is", "[daemon][console]") {
  TempDir dir;
  REQUIRE_OK(TrimConsole(dir / "console.log"));
  Append(dir / "console.log", "hello\n");
  REQUIRE_OK(TrimConsole(dir / "console.log"));
  CHECK(ValueOf(ReadFile(dir / "console.log")) == "hello\n");
  CHECK_FALSE(std::filesystem::exists(dir / "console.log.1"));
}

TEST_CASE("a console over its limit keeps its newest part once", "[daemon][console]") {
  TempDir dir;
  Append(dir / "console.log", std::string(kConsoleLimit, 'a') + "tail");
  REQUIRE_OK(TrimConsole(dir / "console.log"));
  CHECK(std::filesystem::file_size(dir / "console.log") == 0);
  CHECK(std::filesystem::file_size(dir / "console.log.1") == kConsoleLimit);
  Append(dir / "console.log", "more");
  CHECK(ValueOf(ConsoleTail(dir / "console.log", 10)) == "aatailmore");
  RemoveConsole(dir / "console.log");
  CHECK(ValueOf(ConsoleTail(dir / "console.log", 10)).empty());
}

TEST_CASE("a tail is as long as there is console", "[daemon][console]") {
  TempDir dir;
  CHECK(ValueOf(ConsoleTail(dir / "console.log", 10)).empty());
  Append(dir / "console.log", "0123456789");
  CHECK(ValueOf(ConsoleTail(dir / "console.log", 4)) == "6789");
  CHECK(ValueOf(ConsoleTail(dir / "console.log", 100)) == "0123456789");
  const ConsoleEnd end = ValueOf(ConsoleTailAndEnd(dir / "console.log", 4));
  CHECK(end.tail == "6789");
  CHECK(end.offset == 10);
}

TEST_CASE("the last lines are shown without control characters", "[daemon][console]") {
  TempDir dir;
  Append(dir / "console.log", "one\r\n\n\x1btwo\tx\r\nthree");
  CHECK(LastConsoleLines(dir / "console.log", 2) == "two\tx\nthree");
  CHECK(LastConsoleLines(dir / "console.log", 9) == "one\ntwo\tx\nthree");
  CHECK(LastConsoleLines(dir / "absent", 2).empty());
}

// Follows a console on a thread of its own and hands on what it sees through a socket.
class Follower {
 public:
  Follower(std::filesystem::path path, size_t tail) : pair_(ValueOf(SocketPair())) {
    thread_.Post([this, path = std::move(path), tail, ended = ended_.reply()]() mutable {
      const absl::Status end = FollowConsole(
          path, tail, {wish_.get_token(), {}},
          [this](std::string_view text) { return WriteFully(pair_.first.get(), text, Soon()); });
      if (!end.ok()) return ended(end);
      ended(Done{});
    });
  }
  ~Follower() { wish_.request_stop(); }

  // The next so many bytes.
  std::string Read(size_t size) {
    std::string bytes(size, '\0');
    REQUIRE_OK(ReadFully(pair_.second.get(), bytes.data(), size, Soon()));
    return bytes;
  }
  void Leave() { wish_.request_stop(); }
  absl::Status AwaitEnd() { return ended_.Wait(Soon(), "end of the follower").status(); }

 private:
  static Cancellation Soon() { return Cancellation::After(absl::Seconds(20)); }

  std::pair<UniqueFd, UniqueFd> pair_;
  std::stop_source wish_;
  Awaited<Done> ended_;
  Sequence thread_{"follower"};
};

TEST_CASE("a follower sees the tail and then what comes, each byte once", "[daemon][console]") {
  TempDir dir;
  const auto path = dir / "console.log";
  Append(path, "0123456789");
  Follower follower(path, 4);
  CHECK(follower.Read(4) == "6789");
  Append(path, "abc");
  CHECK(follower.Read(3) == "abc");
  Append(path, "def");
  CHECK(follower.Read(3) == "def");
  follower.Leave();
  CHECK(follower.AwaitEnd().code() == absl::StatusCode::kCancelled);
}

TEST_CASE("a follower goes on with a console that is cut short or begins anew",
          "[daemon][console]") {
  TempDir dir;
  const auto path = dir / "console.log";
  Append(path, "a long first console");
  Follower follower(path, 0);
  CHECK(follower.Read(20) == "a long first console");
  SECTION("cut short") {
    REQUIRE(truncate(path.c_str(), 0) == 0);
    Append(path, "short");
  }
  SECTION("a new boot") {
    RemoveConsole(path);
    Append(path, "short");
  }
  CHECK(follower.Read(5) == "short");
}

TEST_CASE("a follower waits for a console that is not there yet and ends with its VM",
          "[daemon][console]") {
  TempDir dir;
  const auto folder = dir / "web";
  REQUIRE_OK(MakeDirectories(folder, 0700));
  Follower follower(folder / "console.log", 0);
  Append(folder / "console.log", "first");
  CHECK(follower.Read(5) == "first");
  REQUIRE_OK(RemoveTree(folder));
  REQUIRE_OK(follower.AwaitEnd());
}

}  // namespace
}  // namespace ember::daemon
