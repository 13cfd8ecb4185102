#include "state/store.h"

#include <sys/resource.h>

#include <csignal>

#include "tests/state/store_context.h"
#include "tests/support/catch.h"

namespace ember::state {
namespace {

using testing::ValueOf;

NewVm FullVm() {
  NewVm vm;
  vm.name = "web";
  vm.config = {.image = "debian",
               .kernel = "6.1.0-40",
               .backend = "qemu",
               .vcpus = 4,
               .memory_mib = 2048,
               .disk_bytes = uint64_t{8} << 30,
               .init = "agent",
               .labels = {{"team", "core"}, {"empty", ""}}};
  vm.request_id = "request-1";
  vm.request_digest = "digest-1";
  vm.owner_uid = 4294967295;
  return vm;
}

TEST_CASE("a created vm is creating, has the lowest CID and all that was asked", "[state][store]") {
  StoreContext context;
  const CreateResult result = ValueOf(context.store->CreateVm(FullVm()));
  CHECK(result.kind == CreateResult::Kind::kMade);
  const VmRecord& vm = result.vm;
  CHECK(vm.id.size() == 36);
  CHECK(vm.name == "web");
  CHECK(vm.state == VmState::kCreating);
  CHECK(vm.guest_cid == 3);
  CHECK(vm.config == FullVm().config);
  CHECK(vm.owner_uid == 4294967295);
  CHECK(absl::AbsDuration(absl::Now() - vm.created_at) < absl::Minutes(1));
  CHECK(vm.started_at == std::nullopt);
  CHECK(vm.machine == std::nullopt);
}

TEST_CASE("records are the same after the store is opened again", "[state][store]") {
  StoreContext context;
  const VmRecord made = ValueOf(context.store->CreateVm(FullVm())).vm;
  const std::string installation = context.store->installation_id();
  context.Reopen();
  CHECK(context.store->installation_id() == installation);
  CHECK(ValueOf(context.store->GetVm("web")) == made);
  CHECK(ValueOf(context.store->GetVmById(made.id)) == made);
}

TEST_CASE("a name that is taken is refused and leases nothing", "[state][store]") {
  StoreContext context;
  context.Create("web");
  NewVm again;
  again.name = "web";
  const absl::Status status = context.store->CreateVm(again).status();
  CHECK(status.code() == absl::StatusCode::kAlreadyExists);
  CHECK(Message(status) == "vm 'web' already exists");
  CHECK(ReasonOf(status) == "VM_EXISTS");
  CHECK(context.Create("next").guest_cid == 4);
}

TEST_CASE("a vm that is not there is not found by name and id", "[state][store]") {
  StoreContext context;
  const absl::Status by_name = context.store->GetVm("web").status();
  CHECK(by_name.code() == absl::StatusCode::kNotFound);
  CHECK(Message(by_name) == "vm 'web' not found");
  CHECK(HintOf(by_name).has_value());
  CHECK(ReasonOf(by_name) == "VM_NOT_FOUND");
  CHECK(context.store->SetState("absent", StoreContext::To(VmState::kStopped)).status().code() ==
        absl::StatusCode::kNotFound);
  CHECK(context.store->DeleteVm("absent", "").code() == absl::StatusCode::kNotFound);
  CHECK(context.store->LastSequence() == 0);
}

TEST_CASE("vms are listed by name with labels and processes", "[state][store]") {
  StoreContext context;
  context.Create("zeta");
  context.Create("beta");
  const VmRecord web = ValueOf(context.store->CreateVm(FullVm())).vm;
  MachineRow machine = StoreContext::Intent("m-1");
  machine.companions = {{.pid = 11, .start_time = 12}, {.pid = 9, .start_time = 10}};
  const VmRecord started =
      ValueOf(context.store->BeginStart(web.id, machine, StoreContext::To(VmState::kStarting)));
  const std::vector<VmRecord> vms = ValueOf(context.store->ListVms());
  REQUIRE(vms.size() == 3);
  CHECK(vms[0].name == "beta");
  CHECK(vms[1] == started);
  CHECK(vms[1].machine == machine);
  CHECK(vms[1].config.labels == FullVm().config.labels);
  CHECK(vms[2].name == "zeta");
}

TEST_CASE("a repeated request answers with the vm it made", "[state][store]") {
  StoreContext context;
  const VmRecord made = ValueOf(context.store->CreateVm(FullVm())).vm;
  const VmRecord now =
      ValueOf(context.store->SetState(made.id, StoreContext::To(VmState::kCreated)));
  const uint64_t sequence = context.store->LastSequence();
  const CreateResult again = ValueOf(context.store->CreateVm(FullVm()));
  CHECK(again.kind == CreateResult::Kind::kFound);
  CHECK(again.vm == now);
  CHECK(context.store->LastSequence() == sequence);
  CHECK(ValueOf(context.store->FindByRequestId("request-1")) == now);
  CHECK(ValueOf(context.store->FindByRequestId("request-2")) == std::nullopt);
}

TEST_CASE("a request id with another body is refused", "[state][store]") {
  StoreContext context;
  context.store->CreateVm(FullVm()).IgnoreError();
  NewVm other = FullVm();
  other.name = "other";
  other.request_digest = "digest-2";
  const absl::Status status = context.store->CreateVm(other).status();
  CHECK(status.code() == absl::StatusCode::kAlreadyExists);
  CHECK(ReasonOf(status) == "REQUEST_ID_REUSED");
  CHECK(MetadataOf(status).at("vm") == "web");
}

TEST_CASE("a deleted vm's name, CID and request id are free again", "[state][store]") {
  StoreContext context;
  const VmRecord first = ValueOf(context.store->CreateVm(FullVm())).vm;
  context.Delete(first);
  const CreateResult second = ValueOf(context.store->CreateVm(FullVm()));
  CHECK(second.kind == CreateResult::Kind::kMade);
  CHECK(second.vm.id != first.id);
  CHECK(second.vm.guest_cid == first.guest_cid);
}

TEST_CASE("the reason of a failure is kept until the next state", "[state][store]") {
  StoreContext context;
  const VmRecord vm = context.Create("web");
  const VmRecord failed =
      ValueOf(context.store->SetState(vm.id, StoreContext::To(VmState::kFailed, "disk on fire")));
  CHECK(failed.state_reason == "disk on fire");
  const VmRecord deleting =
      ValueOf(context.store->SetState(vm.id, StoreContext::To(VmState::kDeleting, "by a user")));
  CHECK(deleting.state_reason.empty());
}

TEST_CASE("the disk is recorded with the state that follows", "[state][store]") {
  StoreContext context;
  const VmRecord vm = context.Create("web");
  const DiskRow disk = {.path = "/vms/web/disk.qcow2", .format = "qcow2"};
  const VmRecord created =
      ValueOf(context.store->SetDisk(vm.id, disk, StoreContext::To(VmState::kCreated)));
  CHECK(created.disk == disk);
  CHECK(created.state == VmState::kCreated);
}

TEST_CASE("a start is an intent first and a machine then", "[state][store]") {
  StoreContext context;
  const VmRecord vm = context.Create("web");
  MachineRow machine = StoreContext::Intent("m-1");
  VmRecord now =
      ValueOf(context.store->BeginStart(vm.id, machine, StoreContext::To(VmState::kStarting)));
  CHECK(now.machine == machine);
  CHECK(now.machine->process.pid == 0);
  CHECK(now.started_at == std::nullopt);

  machine.accelerator = "tcg";
  machine.process = {.pid = 4711, .start_time = UINT64_MAX};
  machine.companions = {{.pid = 4712, .start_time = 5}};
  now = ValueOf(context.store->RecordMachine(vm.id, machine, StoreContext::To(VmState::kRunning)));
  CHECK(now.machine == machine);
  CHECK(now.state == VmState::kRunning);
  CHECK(now.started_at.has_value());

  now = ValueOf(context.store->ClearMachine(vm.id, StoreContext::To(VmState::kStopped)));
  CHECK(now.machine == std::nullopt);
  CHECK(now.started_at.has_value());
}

TEST_CASE("a vm with a machine on record is not started again", "[state][store]") {
  StoreContext context;
  const VmRecord vm = context.Create("web");
  const Change starting = StoreContext::To(VmState::kStarting);
  REQUIRE_OK(context.store->BeginStart(vm.id, StoreContext::Intent("m-1"), starting));
  const uint64_t sequence = context.store->LastSequence();
  CHECK(context.store->BeginStart(vm.id, StoreContext::Intent("m-2"), starting).status().code() ==
        absl::StatusCode::kFailedPrecondition);
  CHECK(ValueOf(context.store->GetVm("web")).machine->machine_id == "m-1");
  CHECK(context.store->LastSequence() == sequence);
}

TEST_CASE("a machine of another start is not recorded", "[state][store]") {
  StoreContext context;
  const VmRecord vm = context.Create("web");
  const Change running = StoreContext::To(VmState::kRunning);
  CHECK(context.store->RecordMachine(vm.id, StoreContext::Intent("m-1"), running).status().code() ==
        absl::StatusCode::kFailedPrecondition);
  REQUIRE_OK(context.store->BeginStart(vm.id, StoreContext::Intent("m-1"),
                                       StoreContext::To(VmState::kStarting)));
  CHECK(context.store->RecordMachine(vm.id, StoreContext::Intent("m-2"), running).status().code() ==
        absl::StatusCode::kFailedPrecondition);
  CHECK(ValueOf(context.store->GetVm("web")).state == VmState::kStarting);
}

TEST_CASE("boot retries are counted since the latest start", "[state][store]") {
  StoreContext context;
  const VmRecord vm = context.Create("web");
  const Change starting = StoreContext::To(VmState::kStarting);
  REQUIRE_OK(context.store->BeginStart(vm.id, StoreContext::Intent("m-1"), starting));
  const VmRecord retried =
      ValueOf(context.store->BeginBootRetry(vm.id, StoreContext::Intent("m-2"), starting));
  CHECK(retried.boot_retries == 1);
  CHECK(retried.machine->machine_id == "m-2");
  REQUIRE_OK(context.store->ClearMachine(vm.id, StoreContext::To(VmState::kStopped)));
  CHECK(ValueOf(context.store->GetVm("web")).boot_retries == 1);
  CHECK(ValueOf(context.store->BeginStart(vm.id, StoreContext::Intent("m-3"), starting))
            .boot_retries == 0);
}

TEST_CASE("only a vm that is deleting can be removed, with its machine", "[state][store]") {
  StoreContext context;
  const VmRecord vm = context.Create("web");
  MachineRow machine = StoreContext::Intent("m-1");
  machine.companions = {{.pid = 11, .start_time = 12}};
  REQUIRE_OK(context.store->BeginStart(vm.id, machine, StoreContext::To(VmState::kStarting)));
  CHECK(context.store->DeleteVm(vm.id, "").code() == absl::StatusCode::kFailedPrecondition);
  CHECK(context.store->GetVm("web").ok());
  context.Delete(vm);
  CHECK(ValueOf(context.store->ListVms()).empty());
  const auto raw = context.OpenRaw();
  for (const char* table : {"vm", "vm_label", "cid_lease", "machine", "machine_process"}) {
    INFO(table);
    CHECK(ValueOf(raw->QueryInt64(fmt::format("SELECT count(*) FROM {}", table))) == 0);
  }
}

// No file may grow beyond `bytes` while it lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before_) == 0);
    const rlimit limit = {.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit before_ = {};
};

TEST_CASE("a full disk refuses work, keeps what is there and heals", "[state][store]") {
  StoreContext context;
  const VmRecord web = context.Create("web");
  const uint64_t sequence = context.store->LastSequence();
  NewVm next;
  next.name = "next";
  {
    const FileSizeLimit limit(std::filesystem::file_size(context.path().native() + "-wal"));
    const absl::Status create = context.store->CreateVm(next).status();
    INFO(create.ToString());
    CHECK(create.code() == absl::StatusCode::kResourceExhausted);
    CHECK(Message(create).starts_with(context.path().native()));
    CHECK(HintOf(create).has_value());
    const absl::Status change =
        context.store->SetState(web.id, StoreContext::To(VmState::kCreated)).status();
    CHECK(change.code() == absl::StatusCode::kResourceExhausted);
    CHECK(ValueOf(context.store->ListVms()) == std::vector<VmRecord>{web});
    CHECK(context.store->LastSequence() == sequence);
  }
  CHECK(ValueOf(context.store->CreateVm(next)).vm.guest_cid == web.guest_cid + 1);
  context.Reopen();
  CHECK(ValueOf(context.store->ListVms()).size() == 2);
  CHECK(context.store->LastSequence() == sequence + 1);
}

}  // namespace
}  // namespace ember::state
