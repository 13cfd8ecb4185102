#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "tests/daemon/forward_context.h"
#include "tests/support/file_mode.h"
#include "tests/support/text.h"

namespace ember::daemon {
namespace {

using testing::AgentMode;
using testing::Contains;
using testing::ValueOf;

TEST_CASE("a port of the host leads to a port of the guest, with both half-closes",
          "[daemon][forward]") {
  ForwardContext context;
  Listener guest;
  const ForwardView forward = ValueOf(context.Add(Tcp(0), Tcp(guest.port())));
  CHECK(forward.vm_name == "web");
  CHECK(forward.forward.host.ip == "127.0.0.1");
  CHECK(forward.reason.empty());
  Peer client = Peer::Connect(forward.forward.host);
  Peer server = guest.Accept();
  client.Write("question");
  client.EndWriting();
  CHECK(server.Read(8) == "question");
  CHECK(server.AtEnd());
  CHECK(context.Forwards("web").at(0).connections == 1);
  server.Write("answer");
  server.EndWriting();
  CHECK(client.Read(6) == "answer");
  CHECK(client.AtEnd());
  CHECK(context.Becomes([](const ForwardView& view) { return view.connections == 0; }));
}

TEST_CASE("every pair of TCP and Unix sockets is joined", "[daemon][forward]") {
  ForwardContext context;
  Listener tcp;
  Listener local(context.SocketPath("guest"));
  const auto check = [&context](state::ForwardSide host, state::ForwardSide guest, Listener& at) {
    INFO(DescribeSide(host) << " -> " << DescribeSide(guest));
    const ForwardView forward = ValueOf(context.Add(std::move(host), std::move(guest)));
    Peer client = Peer::Connect(forward.forward.host);
    Peer server = at.Accept();
    server.Write("hello");
    CHECK(client.Read(5) == "hello");
    client.Write("hi");
    CHECK(server.Read(2) == "hi");
  };
  check(Tcp(0), Unix(context.SocketPath("guest")), local);
  check(Unix(context.SocketPath("host-1")), Tcp(tcp.port()), tcp);
  check(Unix(context.SocketPath("host-2")), Unix(context.SocketPath("guest")), local);
}

TEST_CASE("8 MiB each way at once arrive unchanged", "[daemon][forward]") {
  ForwardContext context;
  Listener guest;
  const ForwardView forward = ValueOf(context.Add(Tcp(0), Tcp(guest.port())));
  Peer client = Peer::Connect(forward.forward.host);
  Peer server = guest.Accept();
  constexpr size_t kTotal = size_t{8} << 20;
  std::string up(kTotal, '\0'), down(kTotal, '\0');
  for (size_t i = 0; i < kTotal; ++i) {
    up[i] = static_cast<char>(i * 2654435761U >> 13);
    down[i] = static_cast<char>(i * 40503U >> 7);
  }
  const auto write = [](int fd, const std::string& bytes) {
    return std::async(std::launch::async,
                      [fd, &bytes] { return WriteFully(fd, bytes, HostContext::Soon()); });
  };
  auto upwards = write(client.fd(), up);
  auto downwards = write(server.fd(), down);
  auto read_up = std::async(std::launch::async, [fd = server.fd()] {
    std::string bytes(kTotal, '\0');
    return std::pair(ReadFully(fd, bytes.data(), kTotal, HostContext::Soon()), bytes);
  });
  const bool down_same = client.Read(kTotal) == down;
  CHECK(down_same);
  const auto [read, bytes] = read_up.get();
  REQUIRE_OK(read);
  const bool up_same = bytes == up;
  CHECK(up_same);
  REQUIRE_OK(upwards.get());
  REQUIRE_OK(downwards.get());
}

TEST_CASE("a client that does not read holds nobody else up", "[daemon][forward]") {
  ForwardContext context;
  Listener guest;
  const ForwardView forward = ValueOf(context.Add(Tcp(0), Tcp(guest.port())));
  Peer stuck = Peer::Connect(forward.forward.host);
  Peer flooding = guest.Accept();
  // Until everything on the way is full.
  const std::string piece(1 << 20, 'x');
  while (send(flooding.fd(), piece.data(), piece.size(), MSG_NOSIGNAL) > 0 ||
         Cancellation::After(absl::Milliseconds(100)).WaitWritable(flooding.fd(), "room").ok()) {
  }
  Peer client = Peer::Connect(forward.forward.host);
  Peer server = guest.Accept();
  client.Write("quick");
  CHECK(server.Read(5) == "quick");
}

TEST_CASE("who connects while nobody listens in the guest is closed", "[daemon][forward]") {
  ForwardContext context;
  const ForwardView forward = ValueOf(context.Add(Tcp(0), Tcp(FreePort())));
  CHECK(Peer::Connect(forward.forward.host).AtEnd());
  CHECK(context.Becomes([](const ForwardView& view) { return view.connections == 0; }));
  CHECK(context.Forwards().at(0).reason.empty());
}

TEST_CASE("who connects while the VM is off is closed at once, and served when it runs again",
          "[daemon][forward]") {
  ForwardContext context;
  Listener guest;
  const ForwardView forward = ValueOf(context.Add(Tcp(0), Tcp(guest.port())));
  REQUIRE_OK(context.Stop("web"));
  CHECK(context.Forwards().at(0).reason == "vm 'web' is stopped");
  CHECK(Peer::Connect(forward.forward.host).AtEnd());
  REQUIRE_OK(context.Start("web"));
  CHECK(context.Forwards().at(0).reason.empty());
  Peer client = Peer::Connect(forward.forward.host);
  Peer server = guest.Accept();
  client.Write("again");
  CHECK(server.Read(5) == "again");
}

TEST_CASE("a forward of a VM that never ran is served once it does", "[daemon][forward]") {
  ForwardContext context;
  REQUIRE_OK(context.CreateIdle("idle"));
  Listener guest;
  const ForwardView forward = ValueOf(context.Add(Tcp(0), Tcp(guest.port()), "idle"));
  CHECK(forward.reason == "vm 'idle' is created");
  CHECK(Peer::Connect(forward.forward.host).AtEnd());
  REQUIRE_OK(context.Start("idle"));
  Peer client = Peer::Connect(forward.forward.host);
  guest.Accept();
}

TEST_CASE("a paused VM says so", "[daemon][forward]") {
  ForwardContext context;
  REQUIRE_OK(context.Add(Tcp(0), Tcp(FreePort())));
  REQUIRE_OK(context.Pause("web"));
  CHECK(context.Forwards().at(0).reason == "vm 'web' is paused");
  REQUIRE_OK(context.Resume("web"));
  CHECK(context.Forwards().at(0).reason.empty());
}

TEST_CASE("connections into a VM end with it", "[daemon][forward]") {
  ForwardContext context;
  Listener guest;
  const ForwardView forward = ValueOf(context.Add(Tcp(0), Tcp(guest.port())));
  Peer client = Peer::Connect(forward.forward.host);
  Peer server = guest.Accept();
  REQUIRE_OK(context.Stop("web", {.force = true}));
  CHECK(client.AtEnd());
  CHECK(server.AtEnd());
}

TEST_CASE("an agent that breaks the protocol costs its client, and nobody else",
          "[daemon][forward]") {
  ForwardContext context;
  Listener guest;
  const ForwardView forward = ValueOf(context.Add(Tcp(0), Tcp(guest.port())));
  for (const AgentMode mode : {AgentMode::kGarbage, AgentMode::kCutShort, AgentMode::kTooOld}) {
    context.world.Change("web", [mode](testing::GuestPlan& plan) { plan.agent = mode; });
    CHECK(Peer::Connect(forward.forward.host).AtEnd());
  }
  context.world.Change("web", [](testing::GuestPlan& plan) { plan.agent = AgentMode::kServe; });
  Peer client = Peer::Connect(forward.forward.host);
  guest.Accept();
}

TEST_CASE("an agent that is too old for streams is told of", "[daemon][forward]") {
  ForwardContext context;
  const ForwardView forward = ValueOf(context.Add(Tcp(0), Tcp(FreePort())));
  context.world.Change("web", [](testing::GuestPlan& plan) { plan.agent = AgentMode::kOlder; });
  CHECK(Peer::Connect(forward.forward.host).AtEnd());
  CHECK(context.Becomes(
      [](const ForwardView& view) { return Contains(view.reason, "is too old for this"); }));
}

TEST_CASE("an address of the host that is taken is refused and leaves no row",
          "[daemon][forward]") {
  ForwardContext context;
  REQUIRE_OK(context.Create("db"));
  SECTION("by another program") {
    Listener other;
    const absl::Status taken = context.Add(Tcp(other.port()), Tcp(80)).status();
    CHECK(absl::IsAlreadyExists(taken));
    CHECK(ReasonOf(taken) == "ADDRESS_TAKEN");
    CHECK(context.Forwards().empty());
  }
  SECTION("by a forward") {
    const ForwardView first = ValueOf(context.Add(Tcp(0), Tcp(80)));
    const absl::Status taken = context.Add(Tcp(first.forward.host.port), Tcp(80), "db").status();
    CHECK(ReasonOf(taken) == "PORT_TAKEN");
    CHECK(Contains(Message(taken), "is taken by vm 'web'"));
  }
  SECTION("by a file") {
    const auto path = context.SocketPath("file");
    std::ofstream(path) << "mine";
    const absl::Status taken = context.Add(Unix(path), Tcp(80)).status();
    CHECK(absl::IsAlreadyExists(taken));
    CHECK(std::filesystem::file_size(path) == 4);
  }
  SECTION("by a socket that is served") {
    Listener other(context.SocketPath("served"));
    CHECK(absl::IsAlreadyExists(context.Add(Unix(context.SocketPath("served")), Tcp(80)).status()));
    const Peer reached = Peer::Connect(Unix(context.SocketPath("served")));
  }
}

TEST_CASE("a free port is found beside those that other programs have", "[daemon][forward]") {
  ForwardContext context;
  const auto taken = ListenTcp("127.0.0.1", state::PortRange{}.first);
  const ForwardView forward = ValueOf(context.Add(Tcp(0), Tcp(80)));
  CHECK(forward.forward.host.port > state::PortRange{}.first);
  CHECK(context.Forwards().size() == 1);
}

TEST_CASE("a Unix socket is its owner's alone and goes with its forward", "[daemon][forward]") {
  ForwardContext context;
  const auto path = context.SocketPath("socket");
  const ForwardView forward = ValueOf(context.Add(Unix(path), Tcp(80)));
  CHECK(testing::ModeOf(path) == 0600);
  REQUIRE_OK(context.Remove(forward.forward.id));
  CHECK_FALSE(std::filesystem::exists(path));
  REQUIRE_OK(context.Add(Unix(path), Tcp(80)));
}

TEST_CASE("a dead socket of ours is replaced", "[daemon][forward]") {
  ForwardContext context;
  const auto path = context.SocketPath("socket");
  { const Listener gone(path); }
  REQUIRE(std::filesystem::exists(path));
  REQUIRE_OK(context.Add(Unix(path), Tcp(80)));
}

TEST_CASE("a forward that is removed ends its connections and frees its port at once",
          "[daemon][forward]") {
  ForwardContext context;
  Listener guest;
  const ForwardView forward = ValueOf(context.Add(Tcp(0), Tcp(guest.port())));
  Peer client = Peer::Connect(forward.forward.host);
  Peer server = guest.Accept();
  REQUIRE_OK(context.Remove(forward.forward.id));
  CHECK(client.AtEnd());
  CHECK(server.AtEnd());
  REQUIRE_OK(ListenTcp("127.0.0.1", forward.forward.host.port));
  CHECK(ReasonOf(context.Remove(forward.forward.id)) == "FORWARD_NOT_FOUND");
}

TEST_CASE("forwards go with their VM", "[daemon][forward]") {
  ForwardContext context;
  const auto path = context.SocketPath("socket");
  const ForwardView port = ValueOf(context.Add(Tcp(0), Tcp(80)));
  REQUIRE_OK(context.Add(Unix(path), Tcp(80)));
  REQUIRE_OK(context.Delete("web", Host::DeleteMode::kForce));
  CHECK(context.Forwards().empty());
  CHECK_FALSE(std::filesystem::exists(path));
  REQUIRE_OK(context.Create("web"));
  REQUIRE_OK(context.Add(Unix(path), Tcp(80)));
}

TEST_CASE("a forward that makes no sense is refused", "[daemon][forward]") {
  ForwardContext context;
  const std::string long_path = "/" + std::string(110, 'x');
  const std::pair<state::ForwardSide, state::ForwardSide> cases[] = {{Tcp(0), Tcp(0)},
                                                                     {Tcp(0), Udp(53)},
                                                                     {Udp(0), Tcp(53)},
                                                                     {Tcp(0, "nowhere"), Tcp(80)},
                                                                     {Unix("relative"), Tcp(80)},
                                                                     {Tcp(0), Unix("relative")},
                                                                     {Unix(long_path), Tcp(80)},
                                                                     {Tcp(0), Unix(long_path)},
                                                                     {Tcp(0), Unix("/a\nb")}};
  for (const auto& [host, guest] : cases) {
    INFO(DescribeSide(host) << " -> " << DescribeSide(guest));
    CHECK(absl::IsInvalidArgument(context.Add(host, guest).status()));
  }
  CHECK(absl::IsInvalidArgument(context.AddReverse(Tcp(9000), Tcp(0)).status()));
  CHECK(absl::IsInvalidArgument(context.AddReverse(Udp(9000), Udp(9000)).status()));
  CHECK(absl::IsNotFound(context.Add(Tcp(0), Tcp(80), "nobody").status()));
  CHECK(context.Forwards().empty());
}

}  // namespace
}  // namespace ember::daemon
