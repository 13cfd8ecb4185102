// The freeze over the framed protocol, with an agent in this process that has one disk.
#include <sys/socket.h>

#include <memory>
#include <vector>

#include "base/check.h"
#include "base/status.h"
#include "guest-agent/services.h"
#include "guest-agent/session.h"
#include "tests/guest-agent/framed_client.h"
#include "tests/guest-agent/frozen_state.h"
#include "tests/support/loop_filesystem.h"

using namespace ember;
using namespace ember::agent;
using namespace ember::testing;

namespace {

class NoPower : public Power {
 public:
  void Begin(PowerMode) override {}
};

// An agent in this process. Its connections end with it.
class FreezingAgent {
 public:
  explicit FreezingAgent(std::vector<std::string> mount_points,
                         ClockOwner owner = ClockOwner::kAgent)
      : spawner_(ValueOf(Spawner::Create())),
        loop_(ValueOf(EventLoop::Create("agent"))),
        children_(ValueOf(Children::Create(*loop_))),
        services_(*loop_, *children_, *spawner_,
                  [mount_points = std::move(mount_points)] { return mount_points; }),
        context_(services_.With(power_, Log(), owner)) {
    loop_->Start();
  }
  ~FreezingAgent() { loop_->Stop(); }

  FramedClient Dial() {
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    loop_->Post([this, fd = UniqueFd(ends[1])]() mutable {
      auto session = Session::Create(context_, std::move(fd), [] {});
      EMBER_CHECK(session.ok());  // Catch is for the test's thread alone
      connections_.push_back(*std::move(session));
    });
    FramedClient client{UniqueFd(ends[0])};
    client.Greet(1);
    return client;
  }

 private:
  NoPower power_;
  std::unique_ptr<Spawner> spawner_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<Children> children_;
  Services services_;
  const Context context_;
  std::vector<std::unique_ptr<Connection>> connections_;  // of the loop
};

v1::ClientFrame FreezeFrame(uint32_t limit_ms) {
  v1::ClientFrame frame;
  frame.mutable_freeze_filesystems()->set_limit_ms(limit_ms);
  return frame;
}

v1::ClientFrame ThawFrame() {
  v1::ClientFrame frame;
  frame.mutable_thaw();
  return frame;
}

#define EXT4_DISK(disk)                        \
  const LoopFilesystem disk("ext4", 16 << 20); \
  if (!disk.mounted()) EMBER_SKIP("no loop device: " + disk.why_not())

}  // namespace

TEST_CASE("a client freezes and thaws, again and again", "[agent][freeze]") {
  EXT4_DISK(disk);
  FreezingAgent agent({disk.root()});
  for (int round = 0; round < 3; ++round) {
    FramedClient client = agent.Dial();
    client.Send(FreezeFrame(5000));
    const auto reply = client.Receive();
    INFO(reply->failure().message());
    REQUIRE(reply->frozen().mount_points_size() == 1);
    CHECK(reply->frozen().mount_points(0) == disk.root());
    CHECK(IsFrozen(disk.root()));
    client.Send(ThawFrame());
    CHECK(client.Receive()->has_done());
    CHECK_FALSE(IsFrozen(disk.root()));
    CHECK_FALSE(client.Receive().has_value());
  }
}

TEST_CASE("a client that goes away thaws", "[agent][freeze]") {
  EXT4_DISK(disk);
  FreezingAgent agent({disk.root()});
  FramedClient client = agent.Dial();
  client.Send(FreezeFrame(5000));
  REQUIRE(client.Receive()->has_frozen());
  client.Close();
  CHECK(ThawsSoon(disk.root()));
}

TEST_CASE("a freeze whose time is over ends with a failure", "[agent][freeze]") {
  EXT4_DISK(disk);
  FreezingAgent agent({disk.root()});
  FramedClient client = agent.Dial();
  client.Send(FreezeFrame(1000));
  REQUIRE(client.Receive()->has_frozen());
  const auto outcome = client.Finish();
  REQUIRE(outcome.failure.has_value());
  CHECK(outcome.failure->reason() == v1::Failure::INTERNAL);
  CHECK_FALSE(IsFrozen(disk.root()));
}

TEST_CASE("a second client is refused while one freezes, and no longer", "[agent][freeze]") {
  EXT4_DISK(disk);
  FreezingAgent agent({disk.root()});
  FramedClient first = agent.Dial();
  first.Send(FreezeFrame(5000));
  REQUIRE(first.Receive()->has_frozen());
  FramedClient second = agent.Dial();
  second.Send(FreezeFrame(5000));
  CHECK(second.Finish().failure->reason() == v1::Failure::EXHAUSTED);
  first.Send(ThawFrame());
  REQUIRE(first.Receive()->has_done());
  FramedClient third = agent.Dial();
  third.Send(FreezeFrame(5000));
  CHECK(third.Receive()->has_frozen());
}

TEST_CASE("what is no Thaw behind a freeze thaws and is refused", "[agent][freeze]") {
  EXT4_DISK(disk);
  FreezingAgent agent({disk.root()});
  FramedClient client = agent.Dial();
  client.Send(FreezeFrame(5000));
  REQUIRE(client.Receive()->has_frozen());
  client.Send(FreezeFrame(5000));
  CHECK(client.Finish().failure->reason() == v1::Failure::BAD_REQUEST);
  CHECK_FALSE(IsFrozen(disk.root()));
}

TEST_CASE("a limit that is none, or too long, is a bad request", "[agent][freeze]") {
  FreezingAgent agent({});
  for (const uint32_t limit_ms : {0U, 5001U}) {
    FramedClient client = agent.Dial();
    client.Send(FreezeFrame(limit_ms));
    CHECK(client.Finish().failure->reason() == v1::Failure::BAD_REQUEST);
  }
}

TEST_CASE("an agent outside of a VM freezes nothing and grows nothing", "[agent][freeze]") {
  AgentProcess agent;
  v1::ClientFrame grow;
  grow.mutable_grow_filesystem();
  for (const v1::ClientFrame& request : {FreezeFrame(100), grow}) {
    FramedClient client(agent);
    client.Send(request);
    CHECK(client.Finish().failure->reason() == v1::Failure::DENIED);
  }
}

TEST_CASE("the agent says that it knows storage", "[agent][freeze]") {
  AgentProcess agent;
  FramedClient client(agent.DialFramed());
  const auto reply = client.Greet(1);
  const auto& names = reply.hello_reply().capabilities();
  CHECK(std::count(names.begin(), names.end(), "storage") == 1);
}
