#include "daemon/file_session.h"

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/awaited.h"
#include "tests/daemon/host_context.h"
#include "tests/support/text.h"

namespace ember::daemon {
namespace {

using agent::v1::AgentFrame;
using agent::v1::ClientFrame;
using testing::AgentMode;
using testing::Contains;
using testing::TextOf;

// Who asked: collects what it gets. Called on `io`; results are read after the end.
class CollectingClient : public FileSession::Client {
 public:
  absl::Status AwaitEnd() { return end_.Wait(HostContext::Soon(), "end of the session").status(); }

  std::string stream;
  std::vector<std::string> names;
  std::atomic<uint64_t> bytes{0};
  std::atomic<int> rooms{0};
  std::atomic<int> tree_ends{0};
  std::atomic<int> ends{0};

 private:
  void Answer(const AgentFrame& frame) override {
    stream += frame.tree_data().payload();
    bytes += frame.tree_data().payload().size();
    for (const auto& file : frame.file_list().files()) names.push_back(file.name());
    if (frame.has_tree_end()) ++tree_ends;
  }
  void Room() override { ++rooms; }
  void Ended(absl::Status status) override {
    ++ends;
    if (status.ok()) return ended_(Done{});
    ended_(std::move(status));
  }

  Awaited<Done> end_;
  Reply<Done> ended_ = end_.reply();
};

// A VM "web" that runs, and requests for its files.
class FileContext : public HostContext {
 public:
  FileContext() { REQUIRE_OK(Create("web")); }

  struct Run {
    std::shared_ptr<CollectingClient> client = std::make_shared<CollectingClient>();
    std::shared_ptr<FileSession> session;
  };

  Run Begin(ClientFrame request) {
    Awaited<ReachedVm> reached;
    host().Reach("web", reached.reply());
    Run run;
    run.session = FileSession::Start(io(), testing::ValueOf(Answer(reached)), std::move(request),
                                     absl::Seconds(10), run.client);
    return run;
  }
  Run Read(const std::string& path) {
    ClientFrame request;
    request.mutable_read_tree()->set_path(path);
    return Begin(std::move(request));
  }
  Run Write(const std::string& path) {
    ClientFrame request;
    request.mutable_write_tree()->set_path(path);
    return Begin(std::move(request));
  }
  // Waits until a tree may be sent.
  void AwaitRoom(const Run& run) {
    while (run.client->rooms == 0 && run.client->ends == 0) On([] {});
    REQUIRE(run.client->ends == 0);
  }
  // Does something where sessions live.
  void On(std::function<void()> work) {
    Awaited<Done> done;
    io().Post([&work, reply = done.reply()]() mutable {
      work();
      reply(Done{});
    });
    REQUIRE_OK(Answer(done));
  }
};

TEST_CASE("a tree comes whole, and then its end", "[daemon][files]") {
  FileContext context;
  const auto run = context.Read("/file");
  REQUIRE_OK(run.client->AwaitEnd());
  CHECK(run.client->stream.size() == 1536);
  CHECK(run.client->tree_ends == 1);
}

TEST_CASE("a list comes in parts", "[daemon][files]") {
  FileContext context;
  ClientFrame request;
  request.mutable_list_directory()->set_path("/list");
  const auto run = context.Begin(request);
  REQUIRE_OK(run.client->AwaitEnd());
  CHECK(run.client->names == std::vector<std::string>{"file-0", "file-1", "file-2"});
}

TEST_CASE("a tree is sent when there is room, and its end is answered", "[daemon][files]") {
  FileContext context;
  const auto run = context.Write("/anywhere");
  context.AwaitRoom(run);
  context.On([&] {
    run.session->SendPiece(std::string(1000, 'x'));
    run.session->SendEnd();
  });
  REQUIRE_OK(run.client->AwaitEnd());
  CHECK(run.client->tree_ends == 1);
  CHECK(context.world.AgentOf("web")->bytes_written == 1000);
}

TEST_CASE("the agent's refusal comes with its reason", "[daemon][files]") {
  FileContext context;
  const absl::Status refused = context.Read("/missing").client->AwaitEnd();
  CHECK(absl::IsNotFound(refused));
  CHECK(ReasonOf(refused) == "GUEST_NOT_FOUND");
  CHECK(Contains(TextOf(refused), "vm 'web': /missing"));
}

TEST_CASE("an agent that is too old is not asked", "[daemon][files]") {
  FileContext context;
  context.world.Change("web", [](testing::GuestPlan& plan) { plan.agent = AgentMode::kOlder; });
  const auto run = context.Read("/file");
  const absl::Status refused = run.client->AwaitEnd();
  CHECK(absl::IsFailedPrecondition(refused));
  CHECK(ReasonOf(refused) == "AGENT_TOO_OLD");
  CHECK(context.world.AgentOf("web")->trees == 0);
}

TEST_CASE("frames that do not belong to the request end the session", "[daemon][files]") {
  FileContext context;
  CHECK(absl::IsDataLoss(context.Read("/strange").client->AwaitEnd()));
  // An end of what we have not ended would pass for success.
  CHECK(absl::IsDataLoss(context.Write("/early").client->AwaitEnd()));
}

TEST_CASE("a connection that is lost within a tree is VM_WENT_AWAY", "[daemon][files]") {
  FileContext context;
  const auto check = [](const absl::Status& status) {
    CHECK(absl::IsUnavailable(status));
    CHECK(ReasonOf(status) == "VM_WENT_AWAY");
  };
  SECTION("the agent closes") {
    const auto run = context.Read("/vanish");
    check(run.client->AwaitEnd());
    CHECK(run.client->tree_ends == 0);
  }
  SECTION("the machine ends") {
    const auto run = context.Write("/anywhere");
    context.AwaitRoom(run);
    context.world.End("web", 1);
    check(run.client->AwaitEnd());
  }
}

TEST_CASE("an agent that is broken ends the session", "[daemon][files]") {
  FileContext context;
  const auto mode = GENERATE(AgentMode::kGarbage, AgentMode::kCutShort, AgentMode::kTooOld);
  context.world.Change("web", [mode](auto& plan) { plan.agent = mode; });
  const auto run = context.Read("/file");
  CHECK_FALSE(run.client->AwaitEnd().ok());
  CHECK(run.client->ends == 1);
}

TEST_CASE("a client that does not read holds the agent back", "[daemon][files]") {
  FileContext context;
  const auto run = context.Read("/endless");
  while (run.client->bytes < FileSession::kWindow) context.On([] {});
  context.On([] {});
  context.world.Settle();
  CHECK(run.client->bytes < 2 * FileSession::kWindow);
  SECTION("until it reads again") {
    context.On([&] { run.session->Taken(run.client->bytes); });
    while (run.client->bytes < 3 * FileSession::kWindow) {
      context.On([&] { run.session->Taken(FileSession::kWindow); });
    }
    context.On([&] { run.session->Cancel(); });
    CHECK(absl::IsCancelled(run.client->AwaitEnd()));
  }
  SECTION("and can end it") {
    context.On([&] { run.session->Cancel(); });
    CHECK(absl::IsCancelled(run.client->AwaitEnd()));
    CHECK(run.client->ends == 1);
  }
}

TEST_CASE("an agent that takes nothing leaves no room", "[daemon][files]") {
  FileContext context;
  const auto run = context.Write("/deaf");
  context.AwaitRoom(run);
  bool room = true;
  int pieces = 0;
  while (room && pieces < 1000) {
    context.On([&] {
      run.session->SendPiece(std::string(256 << 10, 'x'));
      room = run.session->HasRoom();
    });
    ++pieces;
  }
  CHECK_FALSE(room);
  CHECK(pieces < 100);
  context.On([&] { run.session->Cancel(); });
  CHECK(absl::IsCancelled(run.client->AwaitEnd()));
}

}  // namespace
}  // namespace ember::daemon
