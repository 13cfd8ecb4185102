#include <filesystem>

#include "tests/daemon/forward_context.h"
#include "tests/support/text.h"

namespace ember::daemon {
namespace {

using testing::Contains;
using testing::ValueOf;

TEST_CASE("forwards are served again after a restart of the daemon", "[daemon][forward]") {
  ForwardContext context;
  Listener guest;
  const ForwardView port = ValueOf(context.Add(Tcp(0), Tcp(guest.port())));
  const ForwardView path = ValueOf(context.Add(Unix(context.SocketPath("s")), Tcp(guest.port())));
  context.Restart();
  REQUIRE(context.Forwards().size() == 2);
  for (const ForwardView& forward : {port, path}) {
    INFO(DescribeForward(forward.forward));
    Peer client = Peer::Connect(forward.forward.host);
    Peer server = guest.Accept();
    client.Write("back");
    CHECK(server.Read(4) == "back");
  }
}

TEST_CASE("connections of a daemon that ends are closed on both sides", "[daemon][forward]") {
  ForwardContext context;
  Listener guest;
  const ForwardView forward = ValueOf(context.Add(Tcp(0), Tcp(guest.port())));
  Peer client = Peer::Connect(forward.forward.host);
  Peer server = guest.Accept();
  context.End();
  CHECK(client.AtEnd());
  CHECK(server.AtEnd());
  context.Begin();
}

TEST_CASE("an address that is taken at a restart is told of, and the row stays",
          "[daemon][forward]") {
  ForwardContext context;
  const ForwardView forward = ValueOf(context.Add(Tcp(0), Tcp(80)));
  context.End();
  const UniqueFd other = ValueOf(ListenTcp("127.0.0.1", forward.forward.host.port));
  context.Begin();
  const auto listed = context.Forwards();
  REQUIRE(listed.size() == 1);
  CHECK(Contains(listed[0].reason, "another socket has it"));
  REQUIRE_OK(context.Remove(forward.forward.id));
}

TEST_CASE("a VM that is started by the next daemon is served", "[daemon][forward]") {
  ForwardContext context;
  Listener guest;
  const ForwardView forward = ValueOf(context.Add(Tcp(0), Tcp(guest.port())));
  REQUIRE_OK(context.Stop("web"));
  context.Restart();
  CHECK(Peer::Connect(forward.forward.host).AtEnd());
  REQUIRE_OK(context.RestartVm("web"));
  Peer client = Peer::Connect(forward.forward.host);
  guest.Accept();
}

TEST_CASE("what a crash left of the socket of a VM that was being deleted is removed",
          "[daemon][forward]") {
  ForwardContext context;
  const auto path = context.SocketPath("s");
  REQUIRE_OK(context.Add(Unix(path), Tcp(80)));
  context.End();
  {
    const auto store = context.OpenStore();
    const auto vm = ValueOf(store->GetVm("web"));
    REQUIRE_OK(store->SetState(vm.id, {state::VmState::kDeleting, "", "", {}}));
    const Listener left(path);
  }
  REQUIRE(std::filesystem::exists(path));
  context.Begin();
  CHECK_FALSE(std::filesystem::exists(path));
  CHECK(context.Forwards().empty());
}

}  // namespace
}  // namespace ember::daemon
