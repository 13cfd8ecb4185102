#include "daemon/volumes.h"

#include <sys/stat.h>

#include "base/status.h"
#include "base/subprocess.h"
#include "daemon/volume_files.h"
#include "tests/daemon/disk_context.h"

namespace ember::daemon {
namespace {

using state::VolumeState;
using testing::ValueOf;

TEST_CASE("a volume is a sparse file with an empty ext4", "[daemon][volume]") {
  DiskContext context;
  const state::DataVolume volume = ValueOf(context.MakeVolume("data", 64 * kMiB));
  CHECK(volume.state == VolumeState::kReady);
  const auto path = context.VolumeFile("data");
  CHECK(std::filesystem::file_size(path) == 64 * kMiB);
  struct stat status {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0600);
  CHECK(static_cast<uint64_t>(status.st_blocks) * 512 < 8 * kMiB);
  REQUIRE_OK(RunToolForOutput({"e2fsck", "-fn", path}, HostContext::Soon()).status());
}

TEST_CASE("a volume without a file system is blank", "[daemon][volume]") {
  DiskContext context;
  REQUIRE_OK(context.MakeVolume("raw", 2 * kMiB, "").status());
  CHECK(ValueOf(ReadFile(context.VolumeFile("raw"))) == std::string(2 * kMiB, '\0'));
}

TEST_CASE("a volume that can't be is refused before anything is made", "[daemon][volume]") {
  DiskContext context;
  CHECK(ReasonOf(context.MakeVolume("Data", 64 * kMiB).status()) == "INVALID_NAME");
  CHECK(absl::IsInvalidArgument(context.MakeVolume("data", 64 * kMiB, "zfs").status()));
  CHECK(absl::IsInvalidArgument(context.MakeVolume("data", kMiB).status()));
  CHECK(absl::IsInvalidArgument(context.MakeVolume("data", 0, "").status()));
  CHECK(context.Volumes().empty());
  CHECK(ListVolumeFiles(context.state_dir()).empty());
}

TEST_CASE("a volume goes with its file, but not from under a VM", "[daemon][volume]") {
  DiskContext context;
  REQUIRE_OK(context.MakeVolume("data", 64 * kMiB).status());
  REQUIRE_OK(context.CreateWith("web", {{"data", "/srv"}}).status());
  const absl::Status refused = context.DeleteVolume("data");
  CHECK(ReasonOf(refused) == "VOLUME_IN_USE");
  CHECK(MetadataOf(refused)["vm"] == "web");
  REQUIRE_OK(context.Delete("web", Host::DeleteMode::kForce));
  CHECK(std::filesystem::exists(context.VolumeFile("data")));
  REQUIRE_OK(context.DeleteVolume("data"));
  CHECK_FALSE(std::filesystem::exists(context.VolumeFile("data")));
  CHECK(absl::IsNotFound(context.DeleteVolume("data")));
}

TEST_CASE("a machine has its VM's volumes behind the root disk", "[daemon][volume]") {
  DiskContext context;
  REQUIRE_OK(context.MakeVolume("data", 64 * kMiB).status());
  const VmView vm = ValueOf(
      context.CreateWith("web", {{"data", "/srv/data", true}, {"blank", "", false, 4 * kMiB}}));
  CHECK(vm.record.config.volumes.at(1).size_bytes == 4 * kMiB);
  const auto spec = *context.world.LastSpec();
  REQUIRE(spec.disks.size() == 3);
  CHECK(spec.disks[1].path == context.VolumeFile("data"));
  CHECK(spec.disks[1].serial == "data");
  CHECK(spec.disks[1].read_only);
  CHECK(spec.disks[2].serial == "blank");
  CHECK_FALSE(spec.disks[2].read_only);
  CHECK(std::count(spec.kernel_args.begin(), spec.kernel_args.end(),
                   "ember.mount=data:/srv/data:ro") == 1);
  CHECK(std::count(spec.kernel_args.begin(), spec.kernel_args.end(),
                   "ember.instance=" + vm.record.id) == 1);
}

TEST_CASE("volumes that a create makes outlive the VM once it is done", "[daemon][volume]") {
  DiskContext context;
  REQUIRE_OK(context.CreateWith("web", {{"data", "/srv", false, 64 * kMiB}}).status());
  CHECK(context.Volumes().at(0).state == VolumeState::kReady);
  REQUIRE_OK(RunToolForOutput({"e2fsck", "-fn", context.VolumeFile("data")}, HostContext::Soon())
                 .status());
  REQUIRE_OK(context.Delete("web", Host::DeleteMode::kForce));
  CHECK(context.Volumes().size() == 1);
  // The next VM finds it, whatever size is named.
  REQUIRE_OK(context.CreateWith("next", {{"data", "/srv", false, 128 * kMiB}}).status());
  CHECK(std::filesystem::file_size(context.VolumeFile("data")) == 64 * kMiB);
}

TEST_CASE("a create that fails removes the volumes that it made", "[daemon][volume]") {
  DiskContext context;
  REQUIRE_OK(context.MakeVolume("old", 64 * kMiB).status());
  SECTION("at its disk") { context.disks.fail = true; }
  SECTION("at its launch") { context.world.FailLaunch(Unavailable("no QEMU")); }
  REQUIRE_FALSE(
      context.CreateWith("web", {{"old", "/old"}, {"new", "/new", false, 64 * kMiB}}).ok());
  REQUIRE(context.Volumes().size() == 1);
  CHECK(context.Volumes()[0].name == "old");
  CHECK(context.Volumes()[0].vm_name.empty());
  CHECK(ListVolumeFiles(context.state_dir()) == std::vector<std::string>{"old"});
}

TEST_CASE("a VM's volumes are checked before anything is made", "[daemon][volume]") {
  DiskContext context;
  REQUIRE_OK(context.MakeVolume("data", 64 * kMiB).status());
  using Attachments = std::vector<state::VolumeAttachment>;
  for (const Attachments& bad :
       {Attachments{{"data", "srv"}}, Attachments{{"data", "/a b"}}, Attachments{{"data", "/"}},
        Attachments{{"data", "/a/../b"}}, Attachments{{"data", "/a:b"}},
        Attachments{{"data", "/a"}, {"data", "/b"}}, Attachments{{"data", "/a"}, {"b", "/a"}},
        Attachments(9, {"data", ""}), Attachments{{"Data", "/a"}},
        Attachments{{"new", "/a", false, 512}},
        Attachments{{"data", "/" + std::string(600, 'a')}}}) {
    CHECK(absl::IsInvalidArgument(context.CreateWith("web", bad).status()));
  }
  CHECK(absl::IsNotFound(context.CreateWith("web", {{"absent", "/a"}}).status()));
  CHECK(context.List().empty());
}

TEST_CASE("what a killed daemon left of volumes is cleared away", "[daemon][volume]") {
  DiskContext context;
  REQUIRE_OK(context.MakeVolume("kept", 64 * kMiB).status());
  REQUIRE_OK(context.CreateIdle("web").status());
  context.End();
  {
    const auto store = context.OpenStore();
    REQUIRE_OK(store->BeginVolume({"half", kMiB, ""}).status());
    REQUIRE_OK(store->BeginVolume({"going", kMiB, ""}).status());
    REQUIRE_OK(store->FinishVolume("going").status());
    REQUIRE_OK(store->BeginVolumeRemoval("going"));
  }
  for (const char* name : {"half", "going", "stray"}) {
    REQUIRE_OK(WriteFileAtomically(context.VolumeFile(name), "x", 0600));
  }
  context.Begin();
  CHECK(context.BecomesOnly("kept"));
  CHECK(ListVolumeFiles(context.state_dir()) == std::vector<std::string>{"kept"});
}

}  // namespace
}  // namespace ember::daemon
