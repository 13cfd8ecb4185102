#include "tests/daemon/host_context.h"
#include "tests/support/catch.h"
#include "tests/support/full_disk.h"
#include "tests/support/text.h"

namespace ember::daemon {
namespace {

using state::VmState;
using testing::Contains;
using testing::TextOf;
using testing::ValueOf;

CreateVmSpec WithRequest(std::string name, std::string request_id) {
  CreateVmSpec spec = HostContext::Spec(std::move(name));
  spec.request_id = std::move(request_id);
  return spec;
}

TEST_CASE("a create answers once the agent is ready and tells of each step in order",
          "[daemon][create]") {
  HostContext context;
  const VmView vm = ValueOf(context.Create("web"));
  CHECK(vm.record.state == VmState::kRunning);
  CHECK(vm.agent == AgentState::kReady);
  CHECK(vm.record.guest_cid == 3);
  CHECK(vm.record.config.vcpus == 1);
  CHECK(vm.record.config.memory_mib == 512);
  CHECK(vm.record.started_at.has_value());
  CHECK(std::filesystem::is_socket(vm.vsock_path));
  CHECK(context.Events("web") == "creating created starting running agent-ready");
  CHECK(context.world.LastSpec()->vm_name == "web");
}

TEST_CASE("a create without a first start leaves a VM that never ran", "[daemon][create]") {
  HostContext context;
  const VmView vm = ValueOf(context.CreateIdle("web"));
  CHECK(vm.record.state == VmState::kCreated);
  CHECK(context.Events("web") == "creating created");
  CHECK(context.world.Running().empty());
}

TEST_CASE("a create that can't be is refused before anything is made", "[daemon][create]") {
  HostContext context;
  CreateVmSpec spec = HostContext::Spec("web");
  absl::StatusCode code = absl::StatusCode::kInvalidArgument;
  std::string text;
  SECTION("a name that breaks the rules") {
    spec.name = "Web";
    text = "Web";
  }
  SECTION("an unknown backend") {
    spec.backend = "xen";
    text = "backend 'xen' is not known here";
  }
  SECTION("more vCPUs than the host has") {
    spec.vcpus = 5;
    text = "5 vCPUs were asked for, this host has 4";
  }
  SECTION("too little memory") {
    spec.memory_mib = 10;
    text = "10 MiB of memory are too few to boot";
  }
  SECTION("more memory than the host has") {
    spec.memory_mib = 8192;
    code = absl::StatusCode::kResourceExhausted;
    text = "this host has 8192 MiB";
  }
  SECTION("an init that does not exist") {
    spec.init = "systemd";
    text = "init 'systemd' is neither 'auto' nor 'agent'";
  }
  const absl::Status refused = context.Create(spec).status();
  CHECK(refused.code() == code);
  CHECK(Contains(TextOf(refused), text));
  CHECK(context.LastEvent() == 0);
  context.CheckNothingLeft(spec.name);
}

TEST_CASE("a socket path that is too long is refused with its length", "[daemon][create]") {
  HostContext context({.state_dir = std::string(60, 'd')});
  const absl::Status refused = context.Create(std::string(40, 'n')).status();
  CHECK(refused.code() == absl::StatusCode::kInvalidArgument);
  CHECK(Contains(TextOf(refused), "the limit is 103"));
  CHECK(Contains(HintOf(refused).value_or(""), "--state-dir"));
  CHECK(context.LastEvent() == 0);
}

TEST_CASE("a create whose disk fails leaves nothing", "[daemon][create]") {
  HostContext context({.needs_kernel = true});
  context.AddImage("debian");
  context.AddKernel("k");
  CreateVmSpec spec = HostContext::Spec("web");
  spec.image = "debian";
  context.disks.fail = true;
  const absl::Status failed = context.Create(spec).status();
  CHECK(failed.code() == absl::StatusCode::kResourceExhausted);
  CHECK(Contains(TextOf(failed), "vm 'web': its disk"));
  CHECK(context.Events("web") == "creating deleting deleted");
  CHECK_FALSE(std::filesystem::exists(context.VmDir("web")));
  CHECK(context.List().empty());
}

TEST_CASE("a create whose launch fails leaves nothing", "[daemon][create]") {
  HostContext context;
  context.world.FailLaunch(Internal("no such wonder"));
  const absl::Status failed = context.Create("web").status();
  CHECK(failed.code() == absl::StatusCode::kInternal);
  CHECK(Contains(TextOf(failed), "vm 'web' could not be started"));
  CHECK(Contains(TextOf(failed), "no such wonder"));
  CHECK(context.Events("web") == "creating created starting deleting deleted");
  context.world.FailLaunch(absl::OkStatus());
  context.CheckNothingLeft("web");
}

TEST_CASE("a machine that ends before its agent is ready takes its create with it",
          "[daemon][create]") {
  HostContext context;
  context.world.Plan({.agent = testing::AgentMode::kOff, .console = "panic: no init\n"});
  auto create = context.BeginCreate(HostContext::Spec("web"));
  context.MustSee("web", "running");
  context.world.End("web", 1, "qemu: dead");
  const absl::Status failed = HostContext::Answer(create).status();
  CHECK(failed.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(Contains(TextOf(failed), "vm 'web' ended before its agent was ready"));
  CHECK(Contains(TextOf(failed), "qemu: dead"));
  CHECK(Contains(TextOf(failed), "panic: no init"));
  context.CheckNothingLeft("web");
}

TEST_CASE("a cancelled create is undone", "[daemon][create]") {
  HostContext context({.needs_kernel = true});
  context.AddImage("debian");
  context.AddKernel("k");
  CreateVmSpec spec = HostContext::Spec("web");
  spec.image = "debian";
  std::stop_source wish;
  Awaited<VmView> create;
  SECTION("while its disk is made") {
    context.disks.gate.Close();
    create = context.BeginCreate(spec, {wish.get_token(), {}});
    REQUIRE_OK(context.disks.gate.AwaitSomebody());
  }
  SECTION("while its machine is launched") {
    context.world.launch_gate.Close();
    create = context.BeginCreate(spec, {wish.get_token(), {}});
    REQUIRE_OK(context.world.launch_gate.AwaitSomebody());
  }
  SECTION("while it waits for the agent") {
    context.world.Plan({.agent = testing::AgentMode::kOff});
    create = context.BeginCreate(spec, {wish.get_token(), {}});
    context.MustSee("web", "running");
  }
  wish.request_stop();
  CHECK(HostContext::Answer(create).status().code() == absl::StatusCode::kCancelled);
  CHECK(context.List().empty());
  CHECK_FALSE(std::filesystem::exists(context.VmDir("web")));
  CHECK(context.world.Running().empty());
  context.disks.gate.Open();
  context.world.launch_gate.Open();
}

TEST_CASE("a create whose caller's deadline passes is undone", "[daemon][create]") {
  HostContext context;
  context.world.Plan({.agent = testing::AgentMode::kOff});
  const absl::Status failed =
      context.Create(HostContext::Spec("web"), Cancellation::After(absl::Milliseconds(300)))
          .status();
  CHECK_FALSE(failed.ok());
  context.CheckNothingLeft("web");
}

TEST_CASE("an agent that is slow is no error", "[daemon][create]") {
  HostContext context;
  context.world.Plan({.agent = testing::AgentMode::kOff});
  CreateVmSpec spec = HostContext::Spec("web");
  spec.agent_wait = absl::Milliseconds(100);
  const VmView vm = ValueOf(context.Create(spec));
  CHECK(vm.record.state == VmState::kRunning);
  CHECK(vm.agent == AgentState::kWaiting);
}

TEST_CASE("of two creates of one name exactly one wins", "[daemon][create]") {
  HostContext context;
  auto first = context.BeginCreate(HostContext::Spec("web"));
  auto second = context.BeginCreate(HostContext::Spec("web"));
  const auto one = HostContext::Answer(first);
  const auto two = HostContext::Answer(second);
  REQUIRE_OK(one);
  CHECK(two.status().code() == absl::StatusCode::kAlreadyExists);
  CHECK(TextOf(two.status()) == "vm 'web' already exists");
  CHECK(context.world.launches == 1);
}

TEST_CASE("a create that is sent again joins the first one", "[daemon][create]") {
  HostContext context;
  SECTION("after it") {
    REQUIRE_OK(context.Create(WithRequest("web", "r1")));
    const VmView again = ValueOf(context.Create(WithRequest("web", "r1")));
    CHECK(again.record.state == VmState::kRunning);
  }
  SECTION("while it is under way") {
    context.world.launch_gate.Close();
    auto first = context.BeginCreate(WithRequest("web", "r1"));
    auto second = context.BeginCreate(WithRequest("web", "r1"));
    REQUIRE_OK(context.world.launch_gate.AwaitSomebody());
    context.Settle();
    context.world.launch_gate.Open();
    const VmView one = ValueOf(HostContext::Answer(first));
    const VmView two = ValueOf(HostContext::Answer(second));
    CHECK(one.record.id == two.record.id);
    CHECK(two.agent == AgentState::kReady);
  }
  CHECK(context.world.launches == 1);
  CHECK(context.Events("web") == "creating created starting running agent-ready");
}

TEST_CASE("a joined create whose deadline passes leaves the first one alone", "[daemon][create]") {
  HostContext context({.needs_kernel = true});
  context.AddImage("debian");
  context.AddKernel("k");
  CreateVmSpec spec = WithRequest("web", "r1");
  spec.image = "debian";
  context.disks.gate.Close();
  auto first = context.BeginCreate(spec);
  REQUIRE_OK(context.disks.gate.AwaitSomebody());
  const auto joined = context.Create(spec, Cancellation::After(absl::Milliseconds(100)));
  CHECK(joined.status().code() == absl::StatusCode::kDeadlineExceeded);
  context.disks.gate.Open();
  CHECK(ValueOf(HostContext::Answer(first)).record.state == VmState::kRunning);
}

TEST_CASE("a request id can't be used for another request", "[daemon][create]") {
  HostContext context;
  REQUIRE_OK(context.Create(WithRequest("web", "r1")));
  const absl::Status refused = context.Create(WithRequest("db", "r1")).status();
  CHECK(refused.code() == absl::StatusCode::kAlreadyExists);
  CHECK(ReasonOf(refused) == "REQUEST_ID_REUSED");
}

TEST_CASE("labels can't make two requests look alike", "[daemon][create]") {
  CreateVmSpec one = HostContext::Spec("web");
  one.labels = {{"a", "1\nb=2"}};
  CreateVmSpec two = HostContext::Spec("web");
  two.labels = {{"a", "1"}, {"b", "2"}};
  CHECK(one.Digest() != two.Digest());
}

TEST_CASE("a create that the store can't finish is undone as soon as it can be",
          "[daemon][create][store]") {
  HostContext context({.needs_kernel = true});
  context.AddImage("debian");
  context.AddKernel("k");
  CreateVmSpec spec = HostContext::Spec("web");
  spec.image = "debian";
  context.disks.gate.Close();
  auto create = context.BeginCreate(spec);
  REQUIRE_OK(context.disks.gate.AwaitSomebody());
  {
    const testing::FullDisk full;
    context.disks.gate.Open();
    CHECK_FALSE(HostContext::Answer(create).ok());
    CHECK(context.List().size() == 1);
  }
  context.MustSee("web", "deleted");
  CHECK_FALSE(std::filesystem::exists(context.VmDir("web")));
}

}  // namespace
}  // namespace ember::daemon
