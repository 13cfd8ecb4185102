#include "base/stream_dial.h"

#include <memory>
#include <string>

#include "base/awaited.h"
#include "base/inet_socket.h"
#include "base/socket.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember {
namespace {

using testing::ValueOf;

// A loop on which dials are made; each is waited for.
struct DialContext {
  DialContext() { loop->Start(); }
  ~DialContext() { loop.reset(); }

  absl::StatusOr<UniqueFd> Dial(StreamAddress address, absl::Duration limit = absl::Seconds(10)) {
    Awaited<UniqueFd> outcome;
    loop->Post([&, reply = std::make_shared<Reply<UniqueFd>>(outcome.reply())] {
      dial = std::make_unique<StreamDial>(*loop, address, limit,
                                          [this, reply](absl::StatusOr<UniqueFd> socket) {
                                            dial.reset();
                                            (*reply)(std::move(socket));
                                          });
    });
    return outcome.Wait(Cancellation::After(absl::Seconds(20)), "dial");
  }

  std::unique_ptr<StreamDial> dial;  // of the loop
  std::unique_ptr<EventLoop> loop = ValueOf(EventLoop::Create("test"));
};

TEST_CASE("a TCP port of either loopback is reached", "[base][stream_dial]") {
  DialContext context;
  for (const char* ip : {"127.0.0.1", "::1"}) {
    INFO(ip);
    const auto listener = ListenTcp(ip, 0);
    if (!listener.ok()) continue;  // a host without IPv6
    const uint16_t port = ValueOf(LocalPortOf(listener->get()));
    CHECK(ValueOf(context.Dial({.port = port})).valid());
    CHECK(ValueOf(context.Dial({.ip = ip, .port = port})).valid());
  }
}

TEST_CASE("a port that nobody listens at is unavailable", "[base][stream_dial]") {
  DialContext context;
  uint16_t port = 0;
  {
    const UniqueFd listener = ValueOf(ListenTcp("127.0.0.1", 0));
    port = ValueOf(LocalPortOf(listener.get()));
  }
  const absl::Status nobody = context.Dial({.port = port}).status();
  CHECK(absl::IsUnavailable(nobody));
  CHECK(Message(nobody) == fmt::format("nobody listens at port {}", port));
}

TEST_CASE("a Unix socket is reached, and one without a listener is unavailable",
          "[base][stream_dial]") {
  DialContext context;
  const testing::TempDir dir;
  const std::string path = dir / "socket";
  CHECK(absl::IsUnavailable(context.Dial({.unix_path = path}).status()));
  {
    const UniqueFd listener = ValueOf(ListenUnix(path, 0600));
    CHECK(ValueOf(context.Dial({.unix_path = path})).valid());
  }
  CHECK(absl::IsUnavailable(context.Dial({.unix_path = path}).status()));
  CHECK(absl::IsInvalidArgument(context.Dial({.unix_path = "/" + std::string(107, 'x')}).status()));
}

TEST_CASE("a listener that takes nobody is given up after the limit", "[base][stream_dial]") {
  DialContext context;
  const testing::TempDir dir;
  const std::string path = dir / "socket";
  const UniqueFd listener = ValueOf(ListenUnix(path, 0600, 0));
  const UniqueFd first = ValueOf(ConnectUnix(path));
  CHECK(
      absl::IsDeadlineExceeded(context.Dial({.unix_path = path}, absl::Milliseconds(50)).status()));
}

}  // namespace
}  // namespace ember
