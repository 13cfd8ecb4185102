#include "base/status.h"
#include "tests/state/store_context.h"

namespace ember::state {
namespace {

using testing::ValueOf;

// A store with verbs for volumes.
struct VolumeContext : StoreContext {
  DataVolume Make(std::string_view name) {
    REQUIRE_OK(store->BeginVolume({std::string(name), 1 << 20, "ext4"}).status());
    return ValueOf(store->FinishVolume(name));
  }
  absl::StatusOr<CreateResult> CreateWith(std::string_view name,
                                          std::vector<VolumeAttachment> volumes,
                                          std::vector<NewVolume> made = {}) {
    NewVm vm;
    vm.name = name;
    vm.config.volumes = std::move(volumes);
    vm.new_volumes = std::move(made);
    return store->CreateVm(vm);
  }
  VolumeState StateOf(std::string_view name) { return ValueOf(store->GetVolume(name)).state; }
  bool Has(std::string_view name) { return store->GetVolume(name).ok(); }
};

TEST_CASE("a volume is recorded before its file is made", "[state][volume]") {
  VolumeContext context;
  const DataVolume begun = ValueOf(context.store->BeginVolume({"data", 1 << 20, "ext4"}));
  CHECK(begun.state == VolumeState::kCreating);
  CHECK(begun.filesystem == "ext4");
  CHECK(ValueOf(context.store->FinishVolume("data")).state == VolumeState::kReady);
  const auto again = context.store->BeginVolume({"data", 2 << 20, ""});
  CHECK(absl::IsAlreadyExists(again.status()));
  CHECK(ReasonOf(again.status()) == "VOLUME_EXISTS");
  context.Reopen();
  CHECK(ValueOf(context.store->ListVolumes()).size() == 1);
}

TEST_CASE("volumes stay in their order with a VM, and outlive it", "[state][volume]") {
  VolumeContext context;
  context.Make("a");
  context.Make("b");
  const std::vector<VolumeAttachment> attached = {{"b", "/srv/b", true, 1 << 20},
                                                  {"a", "", false, 1 << 20}};
  const VmRecord vm = ValueOf(context.CreateWith("web", attached)).vm;
  CHECK(vm.config.volumes == attached);
  CHECK(ValueOf(context.store->ListVms()).at(0).config.volumes == attached);
  CHECK(ValueOf(context.store->GetVolume("a")).vm_name == "web");
  context.Delete(vm);
  CHECK(context.StateOf("a") == VolumeState::kReady);
  CHECK(ValueOf(context.store->GetVolume("a")).vm_id.empty());
}

TEST_CASE("a volume is in one VM at a time", "[state][volume]") {
  VolumeContext context;
  context.Make("data");
  REQUIRE_OK(context.CreateWith("web", {{"data"}}).status());
  const auto second = context.CreateWith("db", {{"data"}});
  CHECK(absl::IsFailedPrecondition(second.status()));
  CHECK(ReasonOf(second.status()) == "VOLUME_IN_USE");
  CHECK(Message(second.status()).find("vm 'web'") != std::string::npos);
  CHECK(absl::IsNotFound(context.store->GetVm("db").status()));
  const absl::Status removal = context.store->BeginVolumeRemoval("data");
  CHECK(ReasonOf(removal) == "VOLUME_IN_USE");
  CHECK(context.StateOf("data") == VolumeState::kReady);
}

TEST_CASE("a VM whose volume is not there, or goes, is not made", "[state][volume]") {
  VolumeContext context;
  const auto missing = context.CreateWith("web", {{"data"}});
  CHECK(ReasonOf(missing.status()) == "VOLUME_NOT_FOUND");
  context.Make("data");
  REQUIRE_OK(context.store->BeginVolumeRemoval("data"));
  CHECK(ReasonOf(context.CreateWith("web", {{"data"}}).status()) == "VOLUME_IN_USE");
  REQUIRE_OK(context.store->RemoveVolume("data"));
  CHECK_FALSE(context.Has("data"));
}

TEST_CASE("volumes that a create makes are a part of it until it is done", "[state][volume]") {
  VolumeContext context;
  context.Make("old");
  const VmRecord undone =
      ValueOf(context.CreateWith("web", {{"old"}, {"new"}}, {{"new", 1 << 20, "ext4"}})).vm;
  CHECK(context.StateOf("new") == VolumeState::kCreating);
  context.Delete(undone);
  CHECK_FALSE(context.Has("new"));
  CHECK(context.Has("old"));
  const VmRecord done =
      ValueOf(context.CreateWith("web", {{"old"}, {"new"}}, {{"new", 1 << 20, "ext4"}})).vm;
  REQUIRE_OK(context.store->FinishVolumesOf(done.id).status());
  context.Delete(done);
  CHECK(context.StateOf("new") == VolumeState::kReady);
}

TEST_CASE("a create that fails in the middle makes no volume", "[state][volume]") {
  VolumeContext context;
  REQUIRE_OK(context.CreateWith("web", {}).status());
  CHECK_FALSE(context.CreateWith("web", {{"new"}}, {{"new", 1 << 20, ""}}).ok());
  CHECK_FALSE(context.CreateWith("db", {{"new"}, {"missing"}}, {{"new", 1 << 20, ""}}).ok());
  CHECK_FALSE(context.Has("new"));
}

TEST_CASE("the size of a disk changes with an event, once", "[state][volume]") {
  VolumeContext context;
  const VmRecord vm = context.Create("web");
  CHECK(ValueOf(context.store->SetDiskSize(vm.id, 1 << 30)).config.disk_bytes == 1 << 30);
  const auto events = ValueOf(context.store->EventsAfter(0, 10));
  CHECK(events.back().kind == "disk-resized");
  REQUIRE_OK(context.store->SetDiskSize(vm.id, 1 << 30).status());
  CHECK(ValueOf(context.store->EventsAfter(0, 10)).size() == events.size());
}

TEST_CASE("names of volumes are serial numbers of disks", "[state][volume]") {
  for (const char* good : {"a", "data-1", "abcdefghijklmnopqrst"}) {
    CHECK(ValidateVolumeName(good).ok());
  }
  for (const char* bad : {"", "abcdefghijklmnopqrstu", "Data", "1a", "a-", "a_b", "a/b", "a\n"}) {
    CHECK(ReasonOf(ValidateVolumeName(bad)) == "INVALID_NAME");
  }
}

}  // namespace
}  // namespace ember::state
