#include "guest-agent/frozen_filesystems.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>

#include "base/file.h"
#include "base/status.h"
#include "guest-agent/freezer.h"
#include "tests/guest-agent/frozen_state.h"
#include "tests/support/loop_filesystem.h"
#include "tests/support/status_matchers.h"

using namespace ember;
using namespace ember::agent;
using ember::testing::IsFrozen;
using ember::testing::LoopFilesystem;
using ember::testing::ThawsSoon;
using ember::testing::ValueOf;

namespace {

constexpr uint64_t kDisk = 16 << 20;
constexpr absl::Duration kLong = absl::Seconds(5);

// Declares a small ext4 for one case, or skips.
#define EXT4_DISK(disk)                     \
  const LoopFilesystem disk("ext4", kDisk); \
  if (!disk.mounted()) EMBER_SKIP("no loop device: " + disk.why_not())

}  // namespace

TEST_CASE("file systems stand still until they are thawed", "[agent][freeze]") {
  EXT4_DISK(one);
  EXT4_DISK(other);
  const auto frozen = ValueOf(FrozenFilesystems::Freeze({one.root(), other.root()}, kLong));
  CHECK(frozen->mount_points() == std::vector<std::string>{one.root(), other.root()});
  CHECK(IsFrozen(one.root()));
  CHECK(IsFrozen(other.root()));
  REQUIRE_OK(frozen->Thaw());
  CHECK_FALSE(IsFrozen(one.root()));
  CHECK_FALSE(IsFrozen(other.root()));
}

TEST_CASE("what was written before a freeze is on the disk", "[agent][freeze]") {
  EXT4_DISK(disk);
  const UniqueFd file(open((disk.root() / "f").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  REQUIRE(write(file.get(), "kept", 4) == 4);
  const auto frozen = ValueOf(FrozenFilesystems::Freeze({disk.root()}, kLong));
  CHECK(ValueOf(ReadFile(disk.root() / "f")) == "kept");
}

TEST_CASE("a freeze ends with its object", "[agent][freeze]") {
  EXT4_DISK(disk);
  ValueOf(FrozenFilesystems::Freeze({disk.root()}, kLong)).reset();
  CHECK_FALSE(IsFrozen(disk.root()));
}

TEST_CASE("the guard thaws when the time is over", "[agent][freeze]") {
  EXT4_DISK(disk);
  const auto frozen = ValueOf(FrozenFilesystems::Freeze({disk.root()}, absl::Milliseconds(100)));
  CHECK(ThawsSoon(disk.root()));
  const absl::Status late = frozen->Thaw();
  CHECK(absl::IsDeadlineExceeded(late));
  CHECK(Message(late).find(disk.root().native()) == 0);
}

TEST_CASE("the guard thaws when the agent is killed", "[agent][freeze]") {
  EXT4_DISK(disk);
  int ready[2];
  REQUIRE(pipe2(ready, O_CLOEXEC) == 0);
  const pid_t agent = fork();
  if (agent == 0) {
    const auto frozen = FrozenFilesystems::Freeze({disk.root()}, absl::Hours(1));
    if (frozen.ok() && write(ready[1], "x", 1) == 1) pause();
    _exit(1);
  }
  close(ready[1]);
  char byte;
  REQUIRE(read(ready[0], &byte, 1) == 1);
  CHECK(IsFrozen(disk.root()));
  kill(agent, SIGKILL);
  CHECK(ThawsSoon(disk.root()));
  CHECK(waitpid(agent, nullptr, 0) == agent);
  // The guard had no part in what the agent had open.
  CHECK(read(ready[0], &byte, 1) == 0);
  close(ready[0]);
}

TEST_CASE("a file system in a file of another is frozen before it and thawed after it",
          "[agent][freeze]") {
  EXT4_DISK(outer);
  const auto run = [](std::vector<std::string> argv) {
    return RunToolForOutput(std::move(argv), Cancellation::After(absl::Seconds(30))).status();
  };
  const std::string image = outer.root() / "image";
  const std::string inner = outer.root() / "inner";
  std::filesystem::create_directory(inner);
  REQUIRE_OK(run({"truncate", "-s", "4M", image}));
  REQUIRE_OK(run({"mkfs.ext4", "-q", image}));
  REQUIRE_OK(run({"mount", "-o", "loop", image, inner}));
  const absl::Status thawed = [&]() -> absl::Status {
    auto frozen = FrozenFilesystems::Freeze({inner, outer.root()}, kLong);
    return frozen.ok() ? (*frozen)->Thaw() : frozen.status();
  }();
  REQUIRE_OK(run({"umount", inner}));
  REQUIRE_OK(thawed);
}

TEST_CASE("what somebody else has frozen stays frozen", "[agent][freeze]") {
  EXT4_DISK(ours);
  EXT4_DISK(theirs);
  const UniqueFd folder(open(theirs.root().c_str(), O_RDONLY | O_CLOEXEC));
  REQUIRE(ioctl(folder.get(), FIFREEZE, 0) == 0);
  const absl::Status refused =
      FrozenFilesystems::Freeze({ours.root(), theirs.root()}, kLong).status();
  CHECK(absl::IsFailedPrecondition(refused));
  CHECK_FALSE(IsFrozen(ours.root()));
  CHECK(IsFrozen(theirs.root()));
  CHECK(ioctl(folder.get(), FITHAW, 0) == 0);
}

TEST_CASE("what can't be frozen is left out, what is not there is an error", "[agent][freeze]") {
  EXT4_DISK(disk);
  const auto frozen = ValueOf(FrozenFilesystems::Freeze({"/proc", disk.root()}, kLong));
  CHECK(frozen->mount_points() == std::vector<std::string>{disk.root()});
  CHECK(absl::IsNotFound(FrozenFilesystems::Freeze({"/no/such"}, kLong).status()));
}

TEST_CASE("one client at a time freezes", "[agent][freeze]") {
  Freezer freezer([] { return std::vector<std::string>(); });
  auto first = ValueOf(freezer.Take());
  CHECK(absl::IsResourceExhausted(freezer.Take().status()));
  first.reset();
  CHECK(freezer.Take().ok());
}
