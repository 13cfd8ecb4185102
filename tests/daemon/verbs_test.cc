#include <thread>

#include "base/file.h"
#include "tests/daemon/host_context.h"
#include "tests/support/catch.h"
#include "tests/support/text.h"

namespace ember::daemon {
namespace {

using state::VmState;
using testing::Contains;
using testing::TextOf;
using testing::ValueOf;

TEST_CASE("a restart stops the VM and starts it with another machine", "[daemon][restart]") {
  HostContext context;
  const VmView before = ValueOf(context.Create("web"));
  const VmView vm = ValueOf(context.RestartVm("web"));
  CHECK(vm.record.state == VmState::kRunning);
  CHECK(vm.agent == AgentState::kReady);
  CHECK(vm.record.machine->machine_id != before.record.machine->machine_id);
  CHECK(vm.record.follow_up == state::FollowUp::kNone);
  CHECK(vm.record.restarts == 0);
  CHECK(
      Contains(context.Events("web"), "agent-ready stopping stopped starting running agent-ready"));
}

TEST_CASE("a restart of a VM that is off starts it", "[daemon][restart]") {
  HostContext context;
  REQUIRE_OK(context.CreateIdle("web"));
  CHECK(ValueOf(context.RestartVm("web")).record.state == VmState::kRunning);
}

TEST_CASE("a restart whose launch fails answers why and does not try again", "[daemon][restart]") {
  HostContext context;
  REQUIRE_OK(context.Create("web"));
  context.world.FailLaunch(absl::UnavailableError("no qemu"));
  CHECK(Contains(TextOf(context.RestartVm("web").status()), "no qemu"));
  context.Settle();
  const VmView vm = ValueOf(context.Get("web"));
  CHECK(vm.record.state == VmState::kFailed);
  CHECK(vm.record.follow_up == state::FollowUp::kNone);
}

TEST_CASE("a restart whose stop fails leaves the VM running", "[daemon][restart]") {
  HostContext context;
  context.world.Plan({.kill_error = absl::InternalError("it clings to life")});
  REQUIRE_OK(context.Create("web"));
  CHECK(Contains(TextOf(context.RestartVm("web", {.force = true}).status()), "clings to life"));
  const VmView vm = ValueOf(context.Get("web"));
  CHECK(vm.record.state == VmState::kRunning);
  CHECK(vm.record.follow_up == state::FollowUp::kNone);
  context.world.Change("web", [](auto& plan) { plan.kill_error = absl::OkStatus(); });
}

TEST_CASE("a second restart during the first is refused at once", "[daemon][restart]") {
  HostContext context;
  REQUIRE_OK(context.Create("web"));
  context.world.kill_gate.Close();
  auto first = context.BeginRestart("web", {.force = true});
  context.MustSee("web", "stopping");
  CHECK(TextOf(context.RestartVm("web").status()) == "vm 'web' is stopping");
  context.world.kill_gate.Open();
  CHECK(ValueOf(HostContext::Answer(first)).record.state == VmState::kRunning);
}

TEST_CASE("a forced stop gives up the start of a restart under way", "[daemon][restart]") {
  HostContext context;
  REQUIRE_OK(context.Create("web"));
  context.world.kill_gate.Close();
  auto restart = context.BeginRestart("web", {.force = true});
  context.MustSee("web", "stopping");
  auto stop = context.BeginStop("web", {.force = true});
  context.MustSee("web", "start-cancelled");
  context.world.kill_gate.Open();
  CHECK(ValueOf(HostContext::Answer(stop)).record.state == VmState::kStopped);
  CHECK(absl::IsAborted(HostContext::Answer(restart).status()));
}

TEST_CASE("a restart that a crash cut off is finished", "[daemon][restart][recovery]") {
  HostContext context;
  REQUIRE_OK(context.Create("web"));
  context.world.kill_gate.Close();
  auto cut_off = context.BeginRestart("web", {.force = true});
  REQUIRE_OK(context.world.kill_gate.AwaitSomebody());
  context.world.kill_gate.Open();
  const uint64_t before = context.LastEvent();
  context.Restart();
  context.MustSee("web", "running", before - 1);
  CHECK(ValueOf(context.Get("web")).record.follow_up == state::FollowUp::kNone);
}

TEST_CASE("a paused VM is silent, keeps its agent's state, and goes on", "[daemon][pause]") {
  HostContext context;
  REQUIRE_OK(context.Create("web"));
  const VmView paused = ValueOf(context.Pause("web"));
  CHECK(paused.record.state == VmState::kPaused);
  CHECK(paused.agent == AgentState::kReady);
  CHECK(TextOf(context.Pause("web").status()) == "vm 'web' is already paused");
  CHECK(TextOf(context.Start("web").status()) == "vm 'web' is paused");
  CHECK(ValueOf(context.Resume("web")).record.state == VmState::kRunning);
  CHECK(TextOf(context.Resume("web").status()) == "vm 'web' is running and not paused");
}

TEST_CASE("a paused VM shuts down in order when it is stopped", "[daemon][pause]") {
  HostContext context;
  REQUIRE_OK(context.Create("web"));
  REQUIRE_OK(context.Pause("web"));
  REQUIRE_OK(context.Stop("web"));
  CHECK(context.world.kills == 1);  // what removes the machine's traces
  CHECK(context.world.polite_stops == 0);
}

TEST_CASE("a backend that can't pause says so", "[daemon][pause]") {
  HostContext context({.pause = false});
  REQUIRE_OK(context.Create("web"));
  CHECK(Contains(TextOf(context.Pause("web").status()), "can't pause"));
  CHECK(ValueOf(context.Get("web")).record.state == VmState::kRunning);
}

TEST_CASE("a rename moves the VM with its files, and frees the old name", "[daemon][rename]") {
  HostContext context({.needs_kernel = true});
  context.AddImage("img");
  context.AddKernel("k");
  CreateVmSpec spec = HostContext::Spec("web");
  spec.image = "img";
  spec.start = false;
  REQUIRE_OK(context.Create(spec));
  const VmView vm = ValueOf(context.Rename("web", "site"));
  CHECK(vm.record.name == "site");
  CHECK(vm.record.dir_name == "site");
  CHECK(vm.record.disk.path == context.VmDir("site") / "disk.img");
  CHECK(std::filesystem::exists(vm.record.disk.path));
  CHECK_FALSE(std::filesystem::exists(context.VmDir("web")));
  CHECK(absl::IsNotFound(context.Get("web").status()));
  CHECK(ValueOf(context.Start("site")).vsock_path == context.VmDir("site") / "vsock.sock");
  spec.name = "web";
  REQUIRE_OK(context.Create(spec));
  CHECK(context.Anomalies().empty());
}

TEST_CASE("only a VM that is off is renamed, to a name that is free and good", "[daemon][rename]") {
  HostContext context;
  REQUIRE_OK(context.Create("web"));
  REQUIRE_OK(context.CreateIdle("other"));
  CHECK(TextOf(context.Rename("web", "site").status()) == "vm 'web' is running");
  CHECK(absl::IsAlreadyExists(context.Rename("other", "web").status()));
  CHECK(absl::IsInvalidArgument(context.Rename("other", "Bad Name").status()));
  CHECK(absl::IsInvalidArgument(context.Rename("other", "other").status()));
  CHECK(absl::IsNotFound(context.Rename("nobody", "site").status()));
}

TEST_CASE("a rename whose files can't move is undone", "[daemon][rename]") {
  HostContext context;
  REQUIRE_OK(context.CreateIdle("web"));
  // Not ours, and in the way.
  REQUIRE_OK(MakeDirectories(context.VmDir("site"), 0700));
  const absl::Status status = context.Rename("web", "site").status();
  CHECK(absl::IsAlreadyExists(status));
  const VmView vm = ValueOf(context.Get("web"));
  CHECK(vm.record.dir_name == "web");
  CHECK(absl::IsNotFound(context.Get("site").status()));
  CHECK(context.Events("web") == "creating created rename-undone");
}

TEST_CASE("a rename that a crash cut off is finished", "[daemon][rename][recovery]") {
  HostContext context;
  const VmView vm = ValueOf(context.CreateIdle("web"));
  context.End();
  REQUIRE_OK(context.OpenStore()->BeginRename(vm.record.id, "site"));
  SECTION("before its files moved") {}
  SECTION("after its files moved") {
    REQUIRE_OK(MoveDirectory(context.VmDir("web"), context.VmDir("site")));
  }
  context.Begin();
  CHECK(ValueOf(context.Get("site")).record.dir_name == "site");
  CHECK(std::filesystem::exists(context.VmDir("site")));
  CHECK_FALSE(std::filesystem::exists(context.VmDir("web")));
  CHECK(context.Anomalies().empty());
}

TEST_CASE("an update changes what it names and nothing else", "[daemon][update]") {
  HostContext context;
  CreateVmSpec spec = HostContext::Spec("web");
  spec.start = false;
  spec.labels = {{"env", "test"}, {"team", "a"}};
  const VmView before = ValueOf(context.Create(spec));
  VmUpdate update;
  update.vcpus = 2;
  update.memory_mib = 1024;
  update.boot_args = "quiet";
  update.set_labels = {{"env", "prod"}};
  update.remove_labels = {"team"};
  update.restart_policy = state::RestartPolicy::kAlways;
  update.autostart = true;
  const VmView vm = ValueOf(context.Update("web", update));
  state::VmConfig expected = before.record.config;
  expected.vcpus = 2;
  expected.memory_mib = 1024;
  expected.boot_args = "quiet";
  expected.labels = {{"env", "prod"}};
  expected.restart_policy = state::RestartPolicy::kAlways;
  expected.autostart = true;
  CHECK(vm.record.config == expected);
  REQUIRE_OK(context.Start("web"));
  const hypervisor::MachineSpec launched = context.world.LastSpec().value();
  CHECK(launched.vcpus == 2);
  CHECK(launched.memory_mib == 1024);
  CHECK(launched.kernel_args.back() == "quiet");
}

TEST_CASE("an update that can't be is refused whole", "[daemon][update]") {
  HostContext context;
  const VmView before = ValueOf(context.CreateIdle("web"));
  struct Case {
    VmUpdate update;
    std::string_view message;
  };
  const Case cases[] = {
      {{}, "no configuration changes specified"},
      {{.vcpus = 5}, "5 vCPUs were asked for, this host has 4"},
      {{.vcpus = 0}, "0 vCPUs were asked for"},
      {{.memory_mib = 1}, "too few to boot"},
      {{.memory_mib = 1 << 20}, "this host has 8192 MiB"},
      {{.kernel = "nope"}, "nope"},
      {{.boot_args = "a\nb"}, "not printable"},
      {{.boot_args = std::string(1025, 'x')}, "1025 bytes"},
      {{.set_labels = {{"a=b", ""}}}, "label key 'a=b'"},
      {{.set_labels = {{"a", std::string(256, 'x')}}}, "value of label 'a'"},
      {{.remove_labels = {"absent"}}, "has no label 'absent'"},
  };
  for (const Case& refused : cases) {
    const absl::Status status = context.Update("web", refused.update).status();
    INFO(status.ToString());
    CHECK_FALSE(status.ok());
    CHECK(Contains(TextOf(status), refused.message));
  }
  CHECK(ValueOf(context.Get("web")).record == before.record);
  REQUIRE_OK(context.Start("web"));
  CHECK(TextOf(context.Update("web", {.vcpus = 2}).status()) == "vm 'web' is running");
}

TEST_CASE("a list is filtered by labels and by state", "[daemon][list]") {
  HostContext context;
  CreateVmSpec spec = HostContext::Spec("a");
  spec.labels = {{"env", "test"}, {"team", "x"}};
  REQUIRE_OK(context.Create(spec));
  spec.name = "b";
  spec.labels = {{"env", "prod"}};
  spec.start = false;
  REQUIRE_OK(context.Create(spec));
  REQUIRE_OK(context.CreateIdle("c"));
  const auto names = [&context](VmFilter filter) {
    std::string text;
    for (const VmView& vm : context.List(std::move(filter))) text += vm.record.name;
    return text;
  };
  CHECK(names({}) == "abc");
  CHECK(names({.labels = {{"env", ""}}}) == "ab");
  CHECK(names({.labels = {{"env", "prod"}}}) == "b");
  CHECK(names({.labels = {{"env", "test"}, {"team", "y"}}}).empty());
  CHECK(names({.states = {VmState::kCreated}}) == "bc");
  CHECK(names({.labels = {{"env", ""}}, .states = {VmState::kRunning, VmState::kPaused}}) == "a");
}

TEST_CASE("verbs at the same time on one VM run in order or fail at once", "[daemon][verbs]") {
  HostContext context;
  REQUIRE_OK(context.Create("web"));
  std::vector<Awaited<VmView>> answers;
  for (int i = 0; i < 50; ++i) {
    answers.push_back(context.BeginStop("web", {.force = true}));
    answers.push_back(context.BeginRestart("web", {.force = true}));
  }
  int done = 0;
  for (Awaited<VmView>& answer : answers) {
    const absl::Status status = HostContext::Answer(answer).status();
    const bool in_time =
        status.ok() || absl::IsFailedPrecondition(status) || absl::IsAborted(status);
    INFO(status.ToString());
    CHECK(in_time);
    done += status.ok() ? 1 : 0;
  }
  CHECK(done >= 1);
  context.Settle();
  CHECK(context.Anomalies().empty());
}

}  // namespace
}  // namespace ember::daemon
