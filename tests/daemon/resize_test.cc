#include "base/status.h"
#include "daemon/disk_resize.h"
#include "tests/daemon/disk_context.h"

namespace ember::daemon {
namespace {

using testing::AgentMode;
using testing::ValueOf;

constexpr uint64_t kMore = 96 * kMiB;

TEST_CASE("the disk of a VM that is off grows at once", "[daemon][resize]") {
  DiskContext context;
  REQUIRE_OK(context.CreateIdle("web").status());
  CHECK(ValueOf(context.Resize("web", kMore)).record.config.disk_bytes == kMore);
  CHECK(std::filesystem::file_size(context.DiskFile("web")) == kMore);
  CHECK(context.Events("web") == "creating created disk-resized");
}

TEST_CASE("the disk of a running VM grows with the file system on it", "[daemon][resize]") {
  DiskContext context;
  REQUIRE_OK(context.Create("web").status());
  CHECK(ValueOf(context.Resize("web", kMore)).record.config.disk_bytes == kMore);
  CHECK(std::filesystem::file_size(context.DiskFile("web")) == kMore);
  CHECK(context.world.AgentOf("web")->disk_bytes == kMore);
}

TEST_CASE("a disk never shrinks", "[daemon][resize]") {
  DiskContext context;
  REQUIRE_OK(context.CreateIdle("web").status());
  const absl::Status refused = context.Resize("web", 32 * kMiB).status();
  CHECK(absl::IsInvalidArgument(refused));
  CHECK(Message(refused) == "vm 'web': its disk has 64M already, and disks only grow");
  CHECK(absl::IsInvalidArgument(context.Resize("web", kMore + 1).status()));
  CHECK(ValueOf(context.Get("web")).record.config.disk_bytes == 64 * kMiB);
}

TEST_CASE("a backend that can't grow a disk in use wants the VM off", "[daemon][resize]") {
  DiskContext context(/*live_disks=*/false);
  REQUIRE_OK(context.Create("web").status());
  const absl::Status refused = context.Resize("web", kMore).status();
  CHECK(absl::IsFailedPrecondition(refused));
  CHECK(HintOf(refused) == "stop it first: ember vm stop web");
  CHECK(ValueOf(context.Get("web")).record.config.disk_bytes == 64 * kMiB);
  REQUIRE_OK(context.Pause("web").status());
  CHECK(absl::IsFailedPrecondition(context.Resize("web", kMore).status()));
}

TEST_CASE("an agent that can't grow the file system leaves it to the next start",
          "[daemon][resize]") {
  DiskContext context;
  REQUIRE_OK(context.Create("web").status());
  context.world.Change("web", [](testing::GuestPlan& plan) { plan.agent = AgentMode::kOlder; });
  const absl::Status half = context.Resize("web", kMore).status();
  CHECK(ReasonOf(half) == "FILESYSTEM_NOT_GROWN");
  CHECK(ValueOf(context.Get("web")).record.config.disk_bytes == kMore);
  CHECK(std::filesystem::file_size(context.DiskFile("web")) == kMore);
  // Once more, with an agent that can.
  context.world.Change("web", [](testing::GuestPlan& plan) { plan.agent = AgentMode::kServe; });
  REQUIRE_OK(context.Resize("web", kMore).status());
  CHECK(context.world.AgentOf("web")->disk_bytes == kMore);
}

TEST_CASE("a disk that could not be grown has its old size on record", "[daemon][resize]") {
  DiskContext context;
  REQUIRE_OK(context.Create("web").status());
  // The fake clones write less than they say.
  std::filesystem::resize_file(context.DiskFile("web"), 64 * kMiB);
  context.world.FailDisks(ResourceExhausted("no space"));
  const absl::Status failed = context.Resize("web", kMore).status();
  CHECK(absl::IsResourceExhausted(failed));
  CHECK(Message(failed).find("vm 'web': its disk could not be grown") == 0);
  CHECK(ValueOf(context.Get("web")).record.config.disk_bytes == 64 * kMiB);
  CHECK(std::filesystem::file_size(context.DiskFile("web")) == 64 * kMiB);
}

TEST_CASE("a daemon that was killed behind the row grows the file at its next start",
          "[daemon][resize]") {
  DiskContext context;
  const bool running = GENERATE(false, true);
  const VmView vm = ValueOf(running ? context.Create("web") : context.CreateIdle("web"));
  std::filesystem::resize_file(context.DiskFile("web"), 64 * kMiB);
  context.End();
  REQUIRE_OK(context.OpenStore()->SetDiskSize(vm.record.id, kMore).status());
  context.Begin();
  const Cancellation limit = HostContext::Soon();
  while (std::filesystem::file_size(context.DiskFile("web")) != kMore) {
    REQUIRE_OK(limit.Pause(absl::Milliseconds(2), "resize"));
    REQUIRE_FALSE(limit.done());
  }
}

}  // namespace
}  // namespace ember::daemon
