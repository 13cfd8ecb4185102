#include "backends/hypervisor/qemu/hybrid_dial.h"

#include <future>

#include "base/status.h"
#include "tests/backends/hypervisor/stream_server.h"

namespace ember::hypervisor {
namespace {

using ember::testing::StatusOf;
using ember::testing::StreamServer;
using ember::testing::ValueOf;

struct Dialer {
  Dialer() { io->Start(); }

  absl::StatusOr<UniqueFd> Dial(const std::filesystem::path& socket, uint32_t port,
                                absl::Duration attempt = absl::Seconds(20)) {
    auto answer = std::make_shared<std::promise<absl::StatusOr<UniqueFd>>>();
    auto result = answer->get_future();
    DialHybrid(*io, socket, port, attempt, Reply<UniqueFd>([answer](absl::StatusOr<UniqueFd> fd) {
      answer->set_value(std::move(fd));
    }));
    return result.get();
  }

  std::unique_ptr<EventLoop> io = ValueOf(EventLoop::Create("io"));
};

TEST_CASE("what the guest says after the handshake is left for the caller", "[hypervisor][dial]") {
  std::promise<std::string> asked;
  StreamServer device([&](int fd) {
    asked.set_value(StreamServer::ReadLine(fd));
    StreamServer::Say(fd, "OK 1073741824\nhello\n");
    StreamServer::Linger(fd);
  });
  Dialer dialer;
  const UniqueFd fd = ValueOf(dialer.Dial(device.path(), 4294967294));
  CHECK(asked.get_future().get() == "CONNECT 4294967294\n");
  CHECK(StreamServer::ReadLine(fd.get()) == "hello\n");
}

TEST_CASE("an answer that comes byte by byte is put together", "[hypervisor][dial]") {
  StreamServer device([](int fd) {
    StreamServer::ReadLine(fd);
    for (const char byte : std::string_view("OK 7\nX")) {
      StreamServer::Say(fd, std::string_view(&byte, 1));
      Cancellation().Pause(absl::Milliseconds(2), "trickle").IgnoreError();
    }
    StreamServer::Linger(fd);
  });
  Dialer dialer;
  const UniqueFd fd = ValueOf(dialer.Dial(device.path(), 1));
  char next = 0;
  REQUIRE_OK(ReadFully(fd.get(), &next, 1, Cancellation::After(absl::Seconds(20))));
  CHECK(next == 'X');
}

TEST_CASE("a closed connection means that nobody listens", "[hypervisor][dial]") {
  StreamServer device([](int fd) { StreamServer::ReadLine(fd); });
  Dialer dialer;
  const auto fd = dialer.Dial(device.path(), 1024);
  CHECK(absl::IsUnavailable(fd.status()));
  CHECK(Message(fd.status()) == "nobody listens on guest port 1024");
  CHECK(absl::IsUnavailable(dialer.Dial("/nowhere/v.sock", 1024).status()));
}

TEST_CASE("an answer that is no handshake is refused", "[hypervisor][dial]") {
  const std::string garbage =
      GENERATE(as<std::string>{}, "\n", "OK\n", "OK \n", "OK 12a\n", "ok 12\n", "ERR 3\n",
               std::string(64, 'O'), "OK " + std::string(64, '1') + "\n");
  StreamServer device([&](int fd) {
    StreamServer::ReadLine(fd);
    StreamServer::Say(fd, garbage);
    StreamServer::Linger(fd);
  });
  Dialer dialer;
  const auto fd = dialer.Dial(device.path(), 1);
  INFO(StatusOf(fd).ToString());
  CHECK(absl::IsDataLoss(fd.status()));
}

TEST_CASE("an attempt that nobody answers ends in time", "[hypervisor][dial]") {
  StreamServer device([](int fd) {
    StreamServer::ReadLine(fd);
    StreamServer::Linger(fd);
  });
  Dialer dialer;
  const auto fd = dialer.Dial(device.path(), 1, absl::Milliseconds(30));
  CHECK(absl::IsDeadlineExceeded(fd.status()));
}

TEST_CASE("a loop that ends answers the attempts under way", "[hypervisor][dial]") {
  StreamServer device([](int fd) {
    StreamServer::ReadLine(fd);
    StreamServer::Linger(fd);
  });
  std::promise<absl::Status> answer;
  {
    Dialer dialer;
    std::promise<void> under_way;
    DialHybrid(
        *dialer.io, device.path(), 1, absl::Seconds(20),
        Reply<UniqueFd>([&](absl::StatusOr<UniqueFd> fd) { answer.set_value(fd.status()); }));
    dialer.io->Post([&] { under_way.set_value(); });
    under_way.get_future().get();
  }
  CHECK(absl::IsCancelled(answer.get_future().get()));
}

}  // namespace
}  // namespace ember::hypervisor
