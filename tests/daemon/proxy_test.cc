#include "daemon/proxy_session.h"

#include <future>

#include "tests/daemon/forward_context.h"
#include "tests/support/text.h"

namespace ember::daemon {
namespace {

using testing::AgentMode;
using testing::Contains;
using testing::ValueOf;

// Who called: keeps what comes. Called on `io`; read once the end has come, or through events.
class ProxyClient : public ProxySession::Client {
 public:
  void Use(const std::shared_ptr<ProxySession>& session) { session_ = session; }
  absl::Status AwaitOpen() { return open_.Wait(HostContext::Soon(), "open").status(); }
  absl::Status AwaitEnd() { return end_.Wait(HostContext::Soon(), "end").status(); }
  absl::Status AwaitOutputEnd() { return out_end_.Wait(HostContext::Soon(), "end").status(); }

  std::string out;
  std::atomic<int> taken{0};
  std::atomic<bool> reads{true};

 private:
  void Opened() override { opened_(Done{}); }
  void Output(std::string_view bytes) override {
    out += bytes;
    const auto session = session_.lock();
    if (reads && session != nullptr) session->OutputTaken();
  }
  void OutputEnded() override { out_ended_(Done{}); }
  void InputTaken() override { ++taken; }
  void Ended(absl::Status status) override {
    // Whoever waits for less is answered too.
    if (opened_.pending()) opened_(Done{});
    if (out_ended_.pending()) out_ended_(Done{});
    if (status.ok()) {
      ended_(Done{});
    } else {
      ended_(status);
    }
  }

  std::weak_ptr<ProxySession> session_;
  Awaited<Done> open_;
  Awaited<Done> out_end_;
  Awaited<Done> end_;
  Reply<Done> opened_ = open_.reply();
  Reply<Done> out_ended_ = out_end_.reply();
  Reply<Done> ended_ = end_.reply();
};

class ProxyContext : public ForwardContext {
 public:
  void Start(const state::ForwardSide& guest) {
    Awaited<ReachedVm> vm;
    host().Reach("web", vm.reply());
    client = std::make_shared<ProxyClient>();
    On([this, guest, reached = ValueOf(Answer(vm))] {
      session = ProxySession::Start(io(), reached, guest, client);
      client->Use(session);
    });
  }
  void On(std::function<void()> work) {
    Awaited<Done> done;
    io().Post([&work, reply = done.reply()]() mutable {
      work();
      reply(Done{});
    });
    REQUIRE_OK(Answer(done));
  }

  std::shared_ptr<ProxyClient> client;
  std::shared_ptr<ProxySession> session;
};

TEST_CASE("a proxied stream carries bytes both ways and ends with both halves", "[daemon][proxy]") {
  ProxyContext context;
  Listener guest;
  context.Start(Tcp(guest.port()));
  REQUIRE_OK(context.client->AwaitOpen());
  Peer server = guest.Accept();
  context.On([&] { context.session->Input("question"); });
  CHECK(server.Read(8) == "question");
  SECTION("the caller ends first") {
    context.On([&] { context.session->InputEnd(); });
    CHECK(server.AtEnd());
    server.Write("answer");
    server.EndWriting();
  }
  SECTION("the guest ends first") {
    server.Write("answer");
    server.EndWriting();
    REQUIRE_OK(context.client->AwaitOutputEnd());
    context.On([&] { context.session->Input("late"); });
    CHECK(server.Read(4) == "late");
    context.On([&] { context.session->InputEnd(); });
    CHECK(server.AtEnd());
  }
  REQUIRE_OK(context.client->AwaitEnd());
  CHECK(context.client->out == "answer");
}

TEST_CASE("a caller that takes no output holds the guest back", "[daemon][proxy]") {
  ProxyContext context;
  Listener guest;
  context.Start(Tcp(guest.port()));
  REQUIRE_OK(context.client->AwaitOpen());
  context.client->reads = false;
  Peer server = guest.Accept();
  const std::string piece(1 << 20, 'x');
  size_t sent = 0;
  while (true) {
    const ssize_t some = send(server.fd(), piece.data(), piece.size(), MSG_NOSIGNAL);
    if (some > 0) sent += static_cast<size_t>(some);
    if (some <= 0 &&
        !Cancellation::After(absl::Milliseconds(100)).WaitWritable(server.fd(), "room").ok()) {
      break;
    }
  }
  context.On([&] { CHECK(context.client->out.size() <= 256 << 10); });
  server.EndWriting();
  context.client->reads = true;
  context.On([&] {
    context.session->OutputTaken();
    context.session->InputEnd();
  });
  REQUIRE_OK(context.client->AwaitEnd());
  CHECK(context.client->out.size() == sent);
}

TEST_CASE("input is taken a piece at a time, as the guest takes it", "[daemon][proxy]") {
  ProxyContext context;
  Listener guest;
  context.Start(Tcp(guest.port()));
  REQUIRE_OK(context.client->AwaitOpen());
  Peer server = guest.Accept();
  const std::string large(8 << 20, 'x');
  context.On([&] { context.session->Input(large); });
  CHECK(context.client->taken == 0);
  const bool same = server.Read(large.size()) == large;
  CHECK(same);
  context.On([] {});
  CHECK(context.client->taken == 1);
}

TEST_CASE("a proxy to a port that nobody listens at says so", "[daemon][proxy]") {
  ProxyContext context;
  context.Start(Tcp(FreePort()));
  const absl::Status refused = context.client->AwaitEnd();
  CHECK(ReasonOf(refused) == "GUEST_REFUSED");
  CHECK(Contains(Message(refused), "vm 'web': nobody listens at port"));
}

TEST_CASE("a proxy through an agent that is too old says so", "[daemon][proxy]") {
  ProxyContext context;
  context.world.Change("web", [](testing::GuestPlan& plan) { plan.agent = AgentMode::kOlder; });
  context.Start(Tcp(80));
  const absl::Status old = context.client->AwaitEnd();
  CHECK(absl::IsFailedPrecondition(old));
  CHECK(ReasonOf(old) == "AGENT_TOO_OLD");
  CHECK(HintOf(old).has_value());
}

TEST_CASE("a caller that goes away closes the guest's socket", "[daemon][proxy]") {
  ProxyContext context;
  Listener guest;
  context.Start(Tcp(guest.port()));
  REQUIRE_OK(context.client->AwaitOpen());
  Peer server = guest.Accept();
  context.On([&] { context.session->Cancel(); });
  CHECK(absl::IsCancelled(context.client->AwaitEnd()));
  CHECK(server.AtEnd());
}

TEST_CASE("a proxied stream ends with its VM", "[daemon][proxy]") {
  ProxyContext context;
  Listener guest;
  context.Start(Tcp(guest.port()));
  REQUIRE_OK(context.client->AwaitOpen());
  Peer server = guest.Accept();
  REQUIRE_OK(context.Stop("web", {.force = true}));
  context.client->AwaitEnd().IgnoreError();
  CHECK(server.AtEnd());
}

}  // namespace
}  // namespace ember::daemon
