#include "tests/daemon/host_context.h"
#include "tests/support/catch.h"
#include "tests/support/text.h"

// What `vm create --run` is about: the image's entrypoint, with every boot.
namespace ember::daemon {
namespace {

using testing::Contains;
using testing::TextOf;
using testing::ValueOf;

images::ImageConfig Server() {
  images::ImageConfig config;
  config.entrypoint = {"server"};
  config.stop_signal = "SIGINT";
  return config;
}

class RunContext : public HostContext {
 public:
  explicit RunContext(const images::ImageConfig& config = Server())
      : HostContext({.needs_kernel = true}) {
    AddImage("app", 4096, config);
    AddKernel("k");
  }
  static CreateVmSpec FromApp(std::string name) {
    CreateVmSpec spec = Spec(std::move(name));
    spec.image = "app";
    spec.run_entrypoint = true;
    return spec;
  }
  int Mains() { return world.AgentOf("web")->mains; }
};

TEST_CASE("the entrypoint is started when the agent is ready, with every boot", "[daemon][run]") {
  RunContext context;
  const VmView vm = ValueOf(context.Create(RunContext::FromApp("web")));
  CHECK(vm.record.image->run_entrypoint);
  const state::Event first = context.MustSee("web", "main-started");
  CHECK(context.Mains() == 1);
  REQUIRE_OK(context.Stop("web"));
  REQUIRE_OK(context.Start("web"));
  context.MustSee("web", "main-started", first.sequence);
  CHECK(context.Mains() == 1);  // of the new machine
}

TEST_CASE("a daemon that takes a machine over does not start its entrypoint again",
          "[daemon][run]") {
  RunContext context;
  REQUIRE_OK(context.Create(RunContext::FromApp("web")));
  const state::Event ready = context.MustSee("web", "main-started");
  context.Restart();
  context.MustSee("web", "agent-ready", ready.sequence);
  // The question to the agent is behind the event: the next one shows that it was answered.
  REQUIRE_OK(context.Stop("web"));
  CHECK_FALSE(Contains(context.Events("web"), "main-started agent-ready main-started"));
}

TEST_CASE("a VM that was not made to run its entrypoint does not", "[daemon][run]") {
  RunContext context;
  CreateVmSpec spec = RunContext::FromApp("web");
  spec.run_entrypoint = false;
  REQUIRE_OK(context.Create(spec));
  REQUIRE_OK(context.Stop("web"));
  CHECK(context.Mains() == 0);
  CHECK_FALSE(Contains(context.Events("web"), "main"));
}

TEST_CASE("before the guest is shut down its main process gets the image's signal",
          "[daemon][run]") {
  RunContext context;
  REQUIRE_OK(context.Create(RunContext::FromApp("web")));
  context.MustSee("web", "main-started");
  const auto agent = context.world.AgentOf("web");
  REQUIRE_OK(context.Stop("web"));
  CHECK(agent->main_signal == 2);
}

TEST_CASE("an image with nothing to run is refused", "[daemon][run]") {
  RunContext context{images::ImageConfig{}};
  const absl::Status refused = context.Create(RunContext::FromApp("web")).status();
  CHECK(refused.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(Contains(TextOf(refused), "neither an entrypoint nor a command"));
  CHECK(context.List().empty());
}

TEST_CASE("what the guest can't run is told by an event", "[daemon][run]") {
  images::ImageConfig config;
  config.cmd = {"missing"};
  RunContext context(config);
  REQUIRE_OK(context.Create(RunContext::FromApp("web")));
  CHECK(Contains(context.MustSee("web", "main-failed").message, "missing: not found"));
  CHECK(context.warnings == 1);
}

}  // namespace
}  // namespace ember::daemon
