// Forwards and proxies into real VMs: through their agents and vsock, without a network.
#include <sys/socket.h>

#include <filesystem>
#include <string>

#include "base/cancellation.h"
#include "base/inet_socket.h"
#include "base/socket.h"
#include "tests/e2e/installation.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {
namespace {

#define REQUIRE_PREPARED() \
  if (!PreparedState().has_value()) EMBER_SKIP("EMBER_TEST_STATE is not set: run ./tests/run")

Cancellation Soon() { return Cancellation::After(absl::Seconds(60)); }

// A VM "web" in which busybox echoes what is sent to port 7, one connection after the other.
class ForwardedVm : public Installation {
 public:
  ForwardedVm() {
    StartDaemon();
    CreateVm("web");
    Serve();
  }
  void Serve() {
    Exec("web", {"(while true; do busybox nc -l -p 7 -e cat; done) > /dev/null 2>&1 &"});
    AwaitServer();
  }
  // Between two connections nobody listens for a moment.
  void AwaitServer() { EmberOk({"vm", "wait", "web", "--for", "port:7", "--timeout", "60s"}); }
  // Adds a forward; where it listens.
  std::string Forward(std::vector<std::string> words) {
    words.insert(words.begin(), {"forward", "web"});
    std::string where = EmberOk(words);
    if (where.ends_with('\n')) where.pop_back();
    return where;
  }
};

uint16_t PortOf(const std::string& where) {
  return static_cast<uint16_t>(std::stoi(where.substr(where.rfind(':') + 1)));
}

UniqueFd Connect(uint16_t port) {
  UniqueFd fd = ValueOf(BeginConnectTcp("127.0.0.1", port));
  REQUIRE_OK(Soon().WaitWritable(fd.get(), "connect"));
  REQUIRE_OK(ConnectOutcome(fd.get()));
  return fd;
}

// Sends it, half-closes, and reads what comes back to its end.
std::string Exchange(const UniqueFd& fd, const std::string& bytes) {
  REQUIRE_OK(WriteFully(fd.get(), bytes, Soon()));
  shutdown(fd.get(), SHUT_WR);
  std::string back;
  while (true) {
    REQUIRE_OK(Soon().WaitReadable(fd.get(), "answer"));
    char piece[65536];
    const ssize_t got = recv(fd.get(), piece, sizeof(piece), 0);
    if (got <= 0) return back;
    back.append(piece, static_cast<size_t>(got));
  }
}

TEST_CASE("a port of the host leads into a VM, also after a restart of the daemon",
          "[e2e][forward]") {
  REQUIRE_PREPARED();
  ForwardedVm ember;
  const uint16_t port = PortOf(ember.Forward({"0:7"}));
  CHECK(Exchange(Connect(port), "over TCP") == "over TCP");
  const std::string path = ember.state_dir() / "echo.sock";
  ember.Forward({path + ":7"});
  ember.AwaitServer();
  CHECK(Exchange(ValueOf(ConnectUnix(path)), "over a path") == "over a path");

  ember.KillDaemon();
  ember.StartDaemon();
  ember.AwaitServer();
  CHECK(Exchange(Connect(port), "again") == "again");
  ember.AwaitServer();
  CHECK(Exchange(ValueOf(ConnectUnix(path)), "again") == "again");

  ember.EmberOk({"vm", "restart", "web"});
  ember.Serve();
  CHECK(Exchange(Connect(port), "and again") == "and again");
  ember.EmberOk({"forward", "remove", "--all", "web"});
  CHECK_FALSE(std::filesystem::exists(path));
  CHECK(ember.Json({"forward", "list"}).empty());
}

TEST_CASE("proxy joins its standard streams to a port of a VM", "[e2e][forward]") {
  REQUIRE_PREPARED();
  ForwardedVm ember;
  std::string large(size_t{512} << 10, '\0');
  for (size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 2654435761U >> 13);
  const std::string back = ember.EmberOk({"proxy", "web", "7"}, large);
  CHECK(back.size() == large.size());
  const bool same = back == large;
  CHECK(same);
  CHECK(ember.Ember({"proxy", "web", "8"}).exit.code != 0);
}

// Our guests have no program that listens for datagrams: the agent runs on this host instead.
TEST_CASE("datagrams of the host reach a UDP port that its agent sees", "[e2e][forward]") {
  Installation ember({.daemon = {}, .daemon_words = {"--allow-insecure-local"}});
  ember.StartDaemon();
  ember.EmberOk({"vm", "create", "web", "--image", "none", "--backend", "local", "--quiet"});
  const UniqueFd server = ValueOf(BindUdp("127.0.0.1", 0));
  const std::string spec = fmt::format("0:{}", ValueOf(LocalPortOf(server.get())));
  const std::string where = ember.EmberOk({"forward", "web", spec, "--udp"});
  const UniqueFd client =
      ValueOf(ConnectUdp("127.0.0.1", PortOf(where.substr(0, where.find('/')))));
  REQUIRE(send(client.get(), "ping", 4, MSG_NOSIGNAL) == 4);
  REQUIRE_OK(Soon().WaitReadable(server.get(), "ping"));
  char bytes[16];
  sockaddr_storage from{};
  socklen_t size = sizeof(from);
  REQUIRE(recvfrom(server.get(), bytes, sizeof(bytes), 0, reinterpret_cast<sockaddr*>(&from),
                   &size) == 4);
  REQUIRE(sendto(server.get(), "pong!", 5, 0, reinterpret_cast<sockaddr*>(&from), size) == 5);
  REQUIRE_OK(Soon().WaitReadable(client.get(), "pong"));
  CHECK(recv(client.get(), bytes, sizeof(bytes), 0) == 5);
}

TEST_CASE("a VM reaches a socket of the host, also after its restart", "[e2e][forward]") {
  REQUIRE_PREPARED();
  ForwardedVm ember;
  const std::string path = ember.state_dir() / "host.sock";
  const UniqueFd host = ValueOf(ListenUnix(path, 0600));
  ember.Forward({"-R", "9000:" + path});
  for (const bool restarted : {false, true}) {
    INFO("restarted: " << restarted);
    if (restarted) ember.EmberOk({"vm", "restart", "web"});
    ember.EmberOk({"vm", "wait", "web", "--for", "port:9000", "--timeout", "60s"});
    ember.Exec("web", {"(echo from the guest | busybox nc 127.0.0.1 9000 > /tmp/answer) "
                       "> /dev/null 2>&1 &"});
    // What waited for the port connected, too, and closed at once.
    std::string line;
    while (line.empty()) {
      REQUIRE_OK(Soon().WaitReadable(host.get(), "connection"));
      const UniqueFd guest = ValueOf(AcceptUnix(host.get()));
      line = Exchange(guest, "from the host\n");
    }
    CHECK(line == "from the guest\n");
    CHECK(ember.Exec("web", {"until grep -q host /tmp/answer; do sleep 0.05; done; "
                             "cat /tmp/answer; rm /tmp/answer"}) == "from the host\n");
  }
}

}  // namespace
}  // namespace ember::testing
