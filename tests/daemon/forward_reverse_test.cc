#include <filesystem>

#include "tests/daemon/forward_context.h"
#include "tests/support/text.h"

namespace ember::daemon {
namespace {

using testing::AgentMode;
using testing::Contains;
using testing::ValueOf;

TEST_CASE("a port of the guest leads to a port of the host, with both half-closes",
          "[daemon][forward]") {
  ForwardContext context;
  Listener host;
  const uint16_t port = FreePort();
  REQUIRE_OK(context.AddReverse(Tcp(port), Tcp(host.port())));
  REQUIRE(context.BecomesServed());
  Peer client = Peer::Connect(Tcp(port, "127.0.0.1"));  // a program in the guest
  Peer server = host.Accept();
  client.Write("question");
  client.EndWriting();
  CHECK(server.Read(8) == "question");
  CHECK(server.AtEnd());
  server.Write("answer");
  server.EndWriting();
  CHECK(client.Read(6) == "answer");
  CHECK(client.AtEnd());
  CHECK(context.Becomes([](const ForwardView& view) { return view.connections == 0; }));
}

TEST_CASE("a Unix socket of the guest leads to one of the host", "[daemon][forward]") {
  ForwardContext context;
  Listener host(context.SocketPath("host"));
  REQUIRE_OK(
      context.AddReverse(Unix(context.SocketPath("guest")), Unix(context.SocketPath("host"))));
  REQUIRE(context.BecomesServed());
  Peer client = Peer::Connect(Unix(context.SocketPath("guest")));
  Peer server = host.Accept();
  server.Write("hello");
  CHECK(client.Read(5) == "hello");
}

TEST_CASE("a guest is closed when nobody listens on the host", "[daemon][forward]") {
  ForwardContext context;
  const uint16_t port = FreePort();
  REQUIRE_OK(context.AddReverse(Tcp(port), Tcp(FreePort())));
  REQUIRE(context.BecomesServed());
  CHECK(Peer::Connect(Tcp(port, "127.0.0.1")).AtEnd());
  CHECK(context.Becomes([](const ForwardView& view) { return view.connections == 0; }));
}

TEST_CASE("a guest listens again after a restart of its VM, and of the daemon",
          "[daemon][forward]") {
  ForwardContext context;
  Listener host;
  const uint16_t port = FreePort();
  REQUIRE_OK(context.AddReverse(Tcp(port), Tcp(host.port())));
  REQUIRE(context.BecomesServed());
  SECTION("of the VM") {
    REQUIRE_OK(context.Stop("web"));
    CHECK(context.Forwards().at(0).reason == "vm 'web' is stopped");
    REQUIRE_OK(context.Start("web"));
  }
  SECTION("of the daemon") { context.Restart(); }
  REQUIRE(context.BecomesServed());
  Peer client = Peer::Connect(Tcp(port, "127.0.0.1"));
  host.Accept();
}

TEST_CASE("a guest listens again when its agent comes back", "[daemon][forward]") {
  ForwardContext context;
  context.world.Change("web", [](testing::GuestPlan& plan) { plan.agent = AgentMode::kCutShort; });
  Listener host;
  const uint16_t port = FreePort();
  REQUIRE_OK(context.AddReverse(Tcp(port), Tcp(host.port())));
  CHECK(context.Becomes([](const ForwardView& view) {
    return Contains(view.reason, "vm 'web': the guest stopped listening");
  }));
  context.world.Change("web", [](testing::GuestPlan& plan) { plan.agent = AgentMode::kServe; });
  REQUIRE(context.BecomesServed());
  Peer client = Peer::Connect(Tcp(port, "127.0.0.1"));
  host.Accept();
}

TEST_CASE("an address that is taken in the guest is told of and tried again", "[daemon][forward]") {
  ForwardContext context;
  Listener host;
  auto other = std::make_optional<Listener>();
  const uint16_t port = other->port();
  REQUIRE_OK(context.AddReverse(Tcp(port), Tcp(host.port())));
  CHECK(context.Becomes(
      [](const ForwardView& view) { return Contains(view.reason, "another socket has it"); }));
  other.reset();
  REQUIRE(context.BecomesServed());
}

TEST_CASE("a guest that tells of connections that there are not costs nothing",
          "[daemon][forward]") {
  ForwardContext context;
  context.world.AgentOf("web")->false_incoming = 3000;
  Listener host;
  const uint16_t port = FreePort();
  REQUIRE_OK(context.AddReverse(Tcp(port), Tcp(host.port())));
  REQUIRE(context.BecomesServed());
  CHECK(context.Becomes([](const ForwardView& view) { return view.connections == 0; }));
  Peer client = Peer::Connect(Tcp(port, "127.0.0.1"));
  host.Accept();
}

TEST_CASE("a guest stops listening when its forward is removed", "[daemon][forward]") {
  ForwardContext context;
  const auto path = context.SocketPath("guest");
  const ForwardView forward = ValueOf(context.AddReverse(Unix(path), Tcp(FreePort())));
  REQUIRE(context.BecomesServed());
  REQUIRE_OK(context.Remove(forward.forward.id));
  context.world.Settle();
  const Cancellation limit = HostContext::Soon();
  while (std::filesystem::exists(path) && !limit.done()) {
    limit.Pause(absl::Milliseconds(2), "socket").IgnoreError();
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace ember::daemon
