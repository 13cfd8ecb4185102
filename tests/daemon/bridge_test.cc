#include <sys/socket.h>
#include <sys/stat.h>

#include "base/socket.h"
#include "tests/daemon/host_context.h"
#include "tests/support/catch.h"
#include "tests/support/text.h"

namespace ember::daemon {
namespace {

using testing::AgentMode;
using testing::Contains;
using testing::TextOf;
using testing::ValueOf;

// A running VM "web" and clients of its bridge.
class BridgeContext : public HostContext {
 public:
  BridgeContext() : view(ValueOf(Create("web"))) {}
  // What is connected ends with the machine.
  ~BridgeContext() {
    static_cast<void>(Stop("web", {.force = true}));
    Awaited<Done> closed;
    io().Post([reply = closed.reply()]() mutable { reply(Done{}); });
    static_cast<void>(Answer(closed));
  }

  UniqueFd Connect() { return ValueOf(ConnectUnix(view.vsock_path)); }
  static void Write(const UniqueFd& fd, std::string_view bytes) {
    REQUIRE_OK(WriteFully(fd.get(), bytes, Soon()));
  }
  static std::string Read(const UniqueFd& fd, size_t size) {
    std::string bytes(size, '\0');
    REQUIRE_OK(ReadFully(fd.get(), bytes.data(), size, Soon()));
    return bytes;
  }
  // True when nothing more comes and the other side has ended.
  static bool AtEnd(const UniqueFd& fd) {
    char byte;
    if (!Soon().WaitReadable(fd.get(), "end").ok()) return false;
    return recv(fd.get(), &byte, 1, 0) <= 0;
  }
  // Connects with the handshake and answers what comes before the echo.
  UniqueFd Shake(uint32_t port) {
    UniqueFd fd = Connect();
    Write(fd, fmt::format("CONNECT {}\n", port));
    const std::string ok = Read(fd, std::string("OK 1073741824\n").size());
    CHECK(ok.starts_with("OK "));
    CHECK(ok.ends_with("\n"));
    const std::string greeting = fmt::format("port {}\n", port);
    CHECK(Read(fd, greeting.size()) == greeting);
    return fd;
  }

  VmView view;
};

TEST_CASE("a client that begins with JSON reaches port 1024 untouched", "[daemon][bridge]") {
  BridgeContext context;
  const UniqueFd fd = context.Connect();
  const std::string line = R"({"op":"ping"})";
  context.Write(fd, line);
  CHECK(context.Read(fd, 10 + line.size()) == "port 1024\n" + line);
}

TEST_CASE("a handshake reaches the port that it names", "[daemon][bridge]") {
  BridgeContext context;
  const UniqueFd fd = context.Shake(5000);
  context.Write(fd, "to the guest");
  CHECK(context.Read(fd, 12) == "to the guest");
}

TEST_CASE("a handshake may come in pieces and with what follows it", "[daemon][bridge]") {
  BridgeContext context;
  const UniqueFd fd = context.Connect();
  context.Write(fd, "CONN");
  context.io().Post([] {});
  context.Write(fd, "ECT 50");
  context.Write(fd, "00\nhello");
  CHECK(context.Read(fd, 14 + 10 + 5).ends_with("\nport 5000\nhello"));
}

TEST_CASE("the end of a client's input is passed on and the answer still comes",
          "[daemon][bridge]") {
  BridgeContext context;
  const UniqueFd fd = context.Shake(5000);
  const std::string big(300'000, 'y');
  // The echo answers while it is written to: both sides have to move.
  size_t sent = 0;
  std::string back;
  while (back.size() < big.size()) {
    if (sent < big.size()) {
      const ssize_t n = send(fd.get(), big.data() + sent, big.size() - sent, MSG_NOSIGNAL);
      if (n > 0) sent += static_cast<size_t>(n);
      if (sent == big.size()) shutdown(fd.get(), SHUT_WR);
    }
    char buffer[65536];
    const ssize_t got = recv(fd.get(), buffer, sizeof buffer, 0);
    if (got > 0) back.append(buffer, static_cast<size_t>(got));
    REQUIRE(got != 0);
    if (got < 0 && sent == big.size()) {
      REQUIRE_OK(HostContext::Soon().WaitReadable(fd.get(), "echo"));
    }
  }
  CHECK(back == big);
  CHECK(context.AtEnd(fd));
}

TEST_CASE("a client is connected once the guest is up", "[daemon][bridge]") {
  BridgeContext context;
  context.world.Change("web", [](auto& plan) { plan.refused_dials = 4; });
  const UniqueFd fd = context.Shake(5000);
  CHECK(fd.valid());
}

TEST_CASE("a wrong handshake is closed without a word", "[daemon][bridge]") {
  BridgeContext context;
  const std::string line = GENERATE(as<std::string>{}, "CONNECT\n", "CONNECT x\n", "CONNECT -1\n",
                                    "CONNECT 99999999999\n", "CONNECT 1024 \n", "C\n",
                                    "Connect 1024\n", "CONNECTCONNECTCONNECTCONNECTCONN");
  const UniqueFd fd = context.Connect();
  context.Write(fd, line);
  INFO(line);
  CHECK(context.AtEnd(fd));
}

TEST_CASE("the bridge is its owner's alone", "[daemon][bridge]") {
  BridgeContext context;
  struct stat info;
  REQUIRE(stat(context.view.vsock_path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  CHECK(info.st_uid == geteuid());
}

TEST_CASE("the bridge and its connections end with the machine", "[daemon][bridge]") {
  BridgeContext context;
  const UniqueFd fd = context.Shake(5000);
  const UniqueFd silent = context.Connect();
  REQUIRE_OK(context.Stop("web"));
  CHECK_FALSE(std::filesystem::exists(context.view.vsock_path));
  CHECK(context.AtEnd(fd));
  CHECK(context.AtEnd(silent));
}

TEST_CASE("a bridge at a path that is too long is refused", "[daemon][bridge]") {
  BridgeContext context;
  const auto bridge =
      VsockBridge::Open(context.io(), {}, "/tmp/" + std::string(100, 'x'), geteuid(), nullptr);
  CHECK(bridge.status().code() == absl::StatusCode::kInvalidArgument);
  CHECK(Contains(TextOf(bridge.status()), "the limit is 103"));
}

}  // namespace
}  // namespace ember::daemon
