#include <sys/ioctl.h>

#include <csignal>

#include "tests/guest-agent/framed_client.h"

using namespace ember;
using namespace ember::testing;

namespace {

// Sends `total` bytes of a pattern within the credit while taking what comes back.
std::string EchoThrough(FramedClient& client, uint64_t credit, size_t total) {
  FramedClient::Outcome outcome;
  size_t sent = 0;
  std::string chunk;
  while (sent < total) {
    while (credit == 0) {
      const uint64_t before = outcome.credit;
      REQUIRE(client.Take(outcome));
      credit += outcome.credit - before;
    }
    const size_t size = std::min<size_t>({credit, total - sent, 64 << 10});
    chunk.resize(size);
    for (size_t i = 0; i < size; ++i) chunk[i] = static_cast<char>((sent + i) * 2654435761U >> 13);
    client.Input(chunk);
    sent += size;
    credit -= size;
  }
  client.EndInput();
  while (client.Take(outcome)) {
  }
  CHECK(outcome.code == 0);
  return outcome.out;
}

}  // namespace

TEST_CASE("64 MiB through cat come back unchanged", "[agent][flow]") {
  AgentProcess agent;
  FramedClient client(agent);
  const auto started = client.Start(Command({"cat"}));
  constexpr size_t kTotal = size_t{64} << 20;
  const std::string back = EchoThrough(client, started.stdin_credit(), kTotal);
  REQUIRE(back.size() == kTotal);
  size_t wrong = 0;
  for (size_t i = 0; i < kTotal; ++i) wrong += back[i] != static_cast<char>(i * 2654435761U >> 13);
  CHECK(wrong == 0);
}

TEST_CASE("a signal gets through to a process that does not read its input", "[agent][flow]") {
  AgentProcess agent;
  FramedClient client(agent);
  const auto started = client.Start(Command({"sleep", "1000"}));
  for (uint64_t sent = 0; sent < started.stdin_credit(); sent += 65536) {
    client.Input(std::string(65536, 'x'));
  }
  client.Signal(SIGTERM);
  CHECK(client.Finish().signal == SIGTERM);
}

TEST_CASE("input that the process has closed is taken and dropped", "[agent][flow]") {
  AgentProcess agent;
  FramedClient client(agent);
  const auto started = client.Start(Shell("exec <&-; echo closed; sleep 1000"));
  client.WaitForOutput("closed");
  for (int i = 0; i < 4; ++i) client.Input(std::string(started.stdin_credit() / 4, 'x'));
  FramedClient::Outcome outcome;
  while (outcome.credit < started.stdin_credit() / 2) REQUIRE(client.Take(outcome));
  client.Signal(SIGKILL);
  CHECK(client.Finish().signal == SIGKILL);
}

TEST_CASE("a client that does not read costs little memory and blocks nobody", "[agent][flow]") {
  AgentProcess agent;
  FramedClient slow(agent);
  slow.Start(Command({"cat", "/dev/zero"}));
  // Until its socket is full.
  const auto waiting = [&slow] {
    int bytes = 0;
    REQUIRE(ioctl(slow.socket(), FIONREAD, &bytes) == 0);
    return bytes;
  };
  CHECK(Eventually([&waiting] { return waiting() >= (64 << 10); }));
  for (int i = 0; i < 20; ++i) CHECK(Run(agent, Command({"true"})).code == 0);
  CHECK(agent.StatusKib("VmHWM") < 64 * 1024);
  // It reads again, and everything goes on.
  FramedClient::Outcome outcome;
  while (outcome.out.size() < (8 << 20)) REQUIRE(slow.Take(outcome));
}

TEST_CASE("what a process wrote last comes before its end", "[agent][flow]") {
  AgentProcess agent;
  for (int i = 0; i < 20; ++i) {
    const auto outcome = Run(agent, Shell("head -c 60000 /dev/zero; head -c 50000 /dev/zero >&2"));
    CHECK(outcome.out.size() == 60000);
    CHECK(outcome.err.size() == 50000);
    CHECK(outcome.code == 0);
  }
}

TEST_CASE("a grandchild that keeps the output open does not keep the session", "[agent][flow]") {
  AgentProcess agent;
  FramedClient client(agent);
  client.Start(Shell("sleep 1000 & echo $!; exit 4"));
  const auto outcome = client.Finish();
  CHECK(outcome.code == 4);
  const pid_t sleeper = std::stoi(outcome.out);
  CHECK(IsAlive(sleeper));
  kill(sleeper, SIGKILL);
}

TEST_CASE("a hundred sessions run at the same time", "[agent][flow]") {
  AgentProcess agent;
  std::vector<std::unique_ptr<FramedClient>> clients;
  for (int i = 0; i < 100; ++i) {
    clients.push_back(std::make_unique<FramedClient>(agent));
    // Each waits for its input, so that all are there at once.
    clients.back()->Start(Shell(fmt::format("read line; echo {} $line; exit {}", i, i)));
  }
  for (auto& client : clients) client->Input("go\n");
  for (int i = 0; i < 100; ++i) {
    const auto outcome = clients[i]->Finish();
    CHECK(outcome.out == fmt::format("{} go\n", i));
    CHECK(outcome.code == i);
  }
  CHECK(agent.Children().empty());
}

TEST_CASE("a client that goes away ends its process group by SIGHUP", "[agent][flow]") {
  AgentProcess agent;
  FramedClient client(agent);
  const auto started = client.Start(Shell("sleep 1000 & sleep 1000 & echo ready; wait"));
  client.WaitForOutput("ready");
  client.Close();
  CHECK(Eventually([&started] { return kill(-static_cast<pid_t>(started.pid()), 0) != 0; }));
  CHECK(Eventually([&agent] { return agent.Children().empty(); }));
}

TEST_CASE("a group that ignores SIGHUP is killed after its grace", "[agent][flow]") {
  AgentProcess agent;
  FramedClient client(agent);
  // The leader ends at once; the rest of its group stays.
  const auto started = client.Start(
      Shell("(trap '' HUP TERM; echo ready; while :; do sleep 0.2; done) & trap 'exit 0' HUP; "
            "while :; do sleep 0.1; done"));
  const pid_t group = -static_cast<pid_t>(started.pid());
  client.WaitForOutput("ready");
  client.Close();
  CHECK(Eventually([&started] { return !IsAlive(static_cast<pid_t>(started.pid())); }));
  CHECK(kill(group, 0) == 0);
  CHECK(Eventually([group] { return kill(group, 0) != 0; }));
}

TEST_CASE("the agent's own end hangs its sessions up and removes its sockets", "[agent][flow]") {
  AgentProcess agent;
  FramedClient client(agent);
  const auto started = client.Start(Command({"sleep", "1000"}));
  CHECK(ValueOf(agent.Stop()).code == 0);
  CHECK_FALSE(IsAlive(static_cast<pid_t>(started.pid())));
  CHECK_FALSE(std::filesystem::exists(agent.json_path()));
}
