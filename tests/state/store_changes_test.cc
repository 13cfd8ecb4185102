#include "state/store.h"
#include "tests/state/store_context.h"
#include "tests/support/catch.h"

namespace ember::state {
namespace {

using testing::ValueOf;

Event LastEvent(Store& store) {
  return ValueOf(store.EventsAfter(store.LastSequence() - 1, 1)).front();
}

// --- Policies. ---

NewVm VmWithPolicies() {
  NewVm vm;
  vm.name = "web";
  vm.config.boot_args = "quiet loglevel=3";
  vm.config.restart_policy = RestartPolicy::kAlways;
  vm.config.autostart = true;
  vm.config.remove_when_stopped = true;
  vm.config.ttl = absl::Hours(1);
  vm.expiry = Expiry{.at = absl::FromUnixMicros(1'700'003'600'000'001),
                     .host_boot_id = "boot-1",
                     .boottime_ns = 3'600'000'000'123};
  return vm;
}

TEST_CASE("policies are stored with the vm", "[state][store]") {
  StoreContext context;
  const VmRecord made = ValueOf(context.store->CreateVm(VmWithPolicies())).vm;
  CHECK(made.config == VmWithPolicies().config);
  CHECK(made.expiry == VmWithPolicies().expiry);
  CHECK(made.dir_name == "web");
  CHECK(made.follow_up == FollowUp::kNone);
  CHECK(made.restarts == 0);
  CHECK(ValueOf(context.store->GetVm("web")) == made);
  context.Reopen();
  CHECK(ValueOf(context.store->GetVm("web")) == made);
}

TEST_CASE("times are kept as exactly as the file has them", "[state][store]") {
  StoreContext context;
  NewVm vm = VmWithPolicies();
  vm.config.ttl = absl::Milliseconds(1500);
  vm.expiry->at += absl::Nanoseconds(300);
  const VmRecord made = ValueOf(context.store->CreateVm(vm)).vm;
  CHECK(made.config.ttl == absl::Seconds(1));
  CHECK(ValueOf(context.store->GetVm("web")) == made);
}

TEST_CASE("a time to live below a second is refused", "[state][store]") {
  StoreContext context;
  NewVm vm = VmWithPolicies();
  vm.config.ttl = absl::Milliseconds(999);
  CHECK(context.store->CreateVm(vm).status().code() == absl::StatusCode::kFailedPrecondition);
  CHECK(ValueOf(context.store->ListVms()).empty());
}

TEST_CASE("what is to follow is stored with its reason and kept until it is changed",
          "[state][store]") {
  StoreContext context;
  const VmRecord vm = context.Create("web");
  Change stop = StoreContext::To(VmState::kStopping, "restart");
  stop.follow_up = FollowUp::kStart;
  CHECK(ValueOf(context.store->SetState(vm.id, stop)).follow_up == FollowUp::kStart);
  context.Reopen();
  CHECK(ValueOf(context.store->GetVm("web")).follow_up == FollowUp::kStart);
  const Change stopped = StoreContext::To(VmState::kStopped);
  CHECK(ValueOf(context.store->ClearMachine(vm.id, stopped)).follow_up == FollowUp::kStart);
  Change taken_back = stopped;
  taken_back.follow_up = FollowUp::kNone;
  CHECK(ValueOf(context.store->SetState(vm.id, taken_back)).follow_up == FollowUp::kNone);
}

TEST_CASE("a start that was to follow is on record until it is through", "[state][store]") {
  const StartCause cause = GENERATE(StartCause::kAsked, StartCause::kPolicy);
  StoreContext context;
  const VmRecord vm = context.Create("web");
  Change waiting = StoreContext::To(VmState::kStopped);
  waiting.follow_up = FollowUp::kStart;
  REQUIRE_OK(context.store->SetState(vm.id, waiting));
  CHECK(ValueOf(context.store->BeginStart(vm.id, StoreContext::Intent("m-1"),
                                          StoreContext::To(VmState::kStarting), cause))
            .follow_up == FollowUp::kStart);
  Change running = StoreContext::To(VmState::kRunning);
  running.follow_up = FollowUp::kNone;
  CHECK(ValueOf(context.store->RecordMachine(vm.id, StoreContext::Intent("m-1"), running))
            .follow_up == FollowUp::kNone);
}

TEST_CASE("restarts by policy are counted since the latest start that was asked for",
          "[state][store]") {
  StoreContext context;
  const VmRecord vm = context.Create("web");
  const auto start = [&context, &vm](StartCause cause) {
    const VmRecord now = ValueOf(context.store->BeginStart(
        vm.id, StoreContext::Intent("m-1"), StoreContext::To(VmState::kStarting), cause));
    REQUIRE_OK(context.store->ClearMachine(vm.id, StoreContext::To(VmState::kStopped)));
    return now.restarts;
  };
  CHECK(start(StartCause::kAsked) == 0);
  CHECK(start(StartCause::kPolicy) == 1);
  CHECK(start(StartCause::kPolicy) == 2);
  context.Reopen();
  CHECK(ValueOf(context.store->GetVm("web")).restarts == 2);
  CHECK(start(StartCause::kAsked) == 0);
}

// --- Update. ---

TEST_CASE("an update replaces what may change and says so", "[state][store]") {
  StoreContext context;
  const VmRecord made = ValueOf(context.store->CreateVm(VmWithPolicies())).vm;
  REQUIRE_OK(context.store->SetState(made.id, StoreContext::To(VmState::kFailed, "disk on fire")));
  VmConfig config = made.config;
  config.vcpus = 8;
  config.memory_mib = 1024;
  config.labels = {{"team", "core"}};
  VmConfig asked = config;
  asked.image = "another";
  asked.disk_bytes = 17;
  asked.remove_when_stopped = false;
  asked.ttl = std::nullopt;
  const VmRecord now = ValueOf(context.store->UpdateConfig(made.id, asked));
  CHECK(now.config == config);
  CHECK(now.state == VmState::kFailed);
  CHECK(now.state_reason == "disk on fire");
  const Event event = LastEvent(*context.store);
  CHECK(event.kind == "updated");
  CHECK(event.state == VmState::kFailed);
  CHECK(event.message == "vcpus 1 -> 8, memory 512M -> 1024M, label team=core added");
  context.Reopen();
  CHECK(ValueOf(context.store->GetVm("web")) == now);
}

TEST_CASE("an update that changes nothing tells nothing", "[state][store]") {
  StoreContext context;
  const VmRecord vm = context.Create("web");
  const uint64_t sequence = context.store->LastSequence();
  CHECK(ValueOf(context.store->UpdateConfig(vm.id, vm.config)) == vm);
  CHECK(context.store->LastSequence() == sequence);
  CHECK(ReasonOf(context.store->UpdateConfig("nobody", vm.config).status()) == "VM_NOT_FOUND");
}

// --- Renames. ---

TEST_CASE("a rename changes the name first and the directory then", "[state][store]") {
  StoreContext context;
  const VmRecord web = context.Create("web");
  VmRecord now = ValueOf(context.store->BeginRename(web.id, "web2"));
  CHECK(now.name == "web2");
  CHECK(now.dir_name == "web");
  CHECK(now.state == web.state);
  CHECK(LastEvent(*context.store).kind == "renamed");
  CHECK(LastEvent(*context.store).vm_name == "web2");
  CHECK(LastEvent(*context.store).message == "web -> web2");
  CHECK(ReasonOf(context.store->GetVm("web").status()) == "VM_NOT_FOUND");

  context.Reopen();
  const uint64_t sequence = context.store->LastSequence();
  const DiskRow disk = {.path = "/vms/web2/disk.qcow2", .format = "qcow2"};
  now = ValueOf(context.store->FinishRename(web.id, disk));
  CHECK(now.dir_name == "web2");
  CHECK(now.disk == disk);
  CHECK(context.store->LastSequence() == sequence);
  CHECK(ValueOf(context.store->GetVm("web2")) == now);
  context.Create("web");
}

TEST_CASE("a rename that can't be finished is undone", "[state][store]") {
  StoreContext context;
  const VmRecord web = context.Create("web");
  REQUIRE_OK(context.store->BeginRename(web.id, "web2"));
  const VmRecord now = ValueOf(context.store->UndoRename(web.id, "the directory is busy"));
  CHECK(now == web);
  const Event event = LastEvent(*context.store);
  CHECK(event.kind == "rename-undone");
  CHECK(event.vm_name == "web");
  CHECK(event.message == "the directory is busy");
  CHECK(context.Create("web2").dir_name == "web2");
}

TEST_CASE("neither name of a vm that is being renamed can be taken", "[state][store]") {
  StoreContext context;
  const VmRecord web = context.Create("web");
  const VmRecord other = context.Create("other");
  REQUIRE_OK(context.store->BeginRename(web.id, "web2"));
  const uint64_t sequence = context.store->LastSequence();
  struct Case {
    std::string name;
    std::string message;
  };
  const Case cases[] = {{"web", "vm 'web' is being renamed to 'web2'"},
                        {"web2", "vm 'web2' already exists"}};
  for (const Case& taken : cases) {
    INFO(taken.name);
    NewVm vm;
    vm.name = taken.name;
    for (const absl::Status& status : {context.store->CreateVm(vm).status(),
                                       context.store->BeginRename(other.id, taken.name).status()}) {
      CHECK(status.code() == absl::StatusCode::kAlreadyExists);
      CHECK(Message(status) == taken.message);
      CHECK(ReasonOf(status) == "VM_EXISTS");
      CHECK(MetadataOf(status).at("vm") == "web2");
      CHECK(HintOf(status).has_value());
    }
  }
  CHECK(context.store->LastSequence() == sequence);
  CHECK(ValueOf(context.store->ListVms()).size() == 2);
}

TEST_CASE("a rename to a name that is taken is refused", "[state][store]") {
  StoreContext context;
  const VmRecord web = context.Create("web");
  context.Create("db");
  for (const char* name : {"db", "web"}) {
    INFO(name);
    CHECK(ReasonOf(context.store->BeginRename(web.id, name).status()) == "VM_EXISTS");
  }
  CHECK(ValueOf(context.store->GetVm("web")) == web);
}

TEST_CASE("renames do not overlap and do not end twice", "[state][store]") {
  StoreContext context;
  const VmRecord web = context.Create("web");
  CHECK(context.store->FinishRename(web.id, {}).status().code() ==
        absl::StatusCode::kFailedPrecondition);
  CHECK(context.store->UndoRename(web.id, "").status().code() ==
        absl::StatusCode::kFailedPrecondition);
  REQUIRE_OK(context.store->BeginRename(web.id, "a"));
  const absl::Status second = context.store->BeginRename(web.id, "b").status();
  CHECK(second.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(Message(second) == "vm 'web' is being renamed to 'a'");
  CHECK(ReasonOf(second) == "WRONG_STATE");
}

TEST_CASE("names are swapped by way of a third one", "[state][store]") {
  StoreContext context;
  const VmRecord a = context.Create("a");
  const VmRecord b = context.Create("b");
  const auto rename = [&context](const VmRecord& vm, std::string_view name) {
    REQUIRE_OK(context.store->BeginRename(vm.id, name));
    REQUIRE_OK(context.store->FinishRename(vm.id, {}));
  };
  rename(a, "c");
  rename(b, "a");
  rename(a, "b");
  CHECK(ValueOf(context.store->GetVm("a")).id == b.id);
  CHECK(ValueOf(context.store->GetVm("b")).id == a.id);
}

}  // namespace
}  // namespace ember::state
