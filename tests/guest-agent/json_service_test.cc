#include <sys/stat.h>

#include <csignal>

#include "tests/guest-agent/json_client.h"

using namespace ember;
using namespace ember::testing;
using nlohmann::json;

TEST_CASE("ping tells the uptime", "[agent][json]") {
  AgentProcess agent;
  const json reply = JsonClient(agent).Call({{"op", "ping"}});
  CHECK(reply.size() == 2);
  CHECK(reply["ok"] == true);
  CHECK(reply["uptime_seconds"].is_number_float());
}

TEST_CASE("exec gives exit code and both outputs", "[agent][json]") {
  AgentProcess agent;
  JsonClient client(agent);
  CHECK(client.Call(ExecRequest("echo out; echo err >&2; exit 3")) ==
        json({{"exit_code", 3}, {"stdout", "out\n"}, {"stderr", "err\n"}}));
  CHECK(client.Call(ExecRequest("kill -9 $$"))["exit_code"] == -1);
  CHECK(client.Call(ExecRequest("printf 'a\\377b'"))["stdout"] ==
        "a\xef\xbf\xbd"
        "b");
  CHECK(client.Call(ExecRequest("cat"))["exit_code"] == 0);
  json request = ExecRequest("echo $COLOR; test -n \"$PATH\"");
  request["env"] = {{"COLOR", "red"}};
  request["unknown"] = 5;
  CHECK(client.Call(request) == json({{"exit_code", 0}, {"stdout", "red\n"}, {"stderr", ""}}));
}

TEST_CASE("a command that can't be spawned is a result, not an error", "[agent][json]") {
  AgentProcess agent;
  json request = ExecRequest("true");
  request["env"] = {{"PATH", "/nowhere"}};
  const json reply = JsonClient(agent).Call(request);
  CHECK(reply["exit_code"] == -1);
  CHECK(reply["stdout"] == "");
  CHECK(reply["stderr"].get<std::string>().find("'sh' was not found") != std::string::npos);
}

TEST_CASE("bad requests are answered and the connection stays open", "[agent][json]") {
  AgentProcess agent;
  JsonClient client(agent);
  CHECK(client.ErrorOf("{bad").starts_with("invalid JSON: "));
  CHECK(client.ErrorOf("{\"op\":\"ping\"").starts_with("invalid JSON: "));
  CHECK(client.ErrorOf("{\"op\":\"\xff\"}").starts_with("invalid JSON: "));
  CHECK(
      client.ErrorOf(std::string(100, '[') + std::string(100, ']')).starts_with("invalid JSON: "));
  CHECK(client.ErrorOf("{\"op\":\"fly\"}") == "unknown op: fly");
  CHECK(client.ErrorOf("{}") == "unknown op: ");
  CHECK(client.ErrorOf("[1]") == "unknown op: ");
  CHECK(client.ErrorOf("{\"op\":5}") == "unknown op: 5");
  CHECK(client.ErrorOf("{\"op\":\"exec\"}") == "missing 'command' field");
  CHECK(client.ErrorOf("{\"op\":\"exec\",\"command\":1}") == "exec: 'command' must be a string");
  CHECK(client.ErrorOf("{\"op\":\"exec\",\"command\":\"\",\"env\":[]}") ==
        "exec: 'env' must be an object of strings");
  CHECK(client.Call({{"op", "ping"}})["ok"] == true);
}

TEST_CASE("pipelined lines are answered in order, empty ones ignored", "[agent][json]") {
  AgentProcess agent;
  JsonClient client(agent);
  std::string lines = "\n\r\n";
  for (int i = 0; i < 50; ++i) lines += ExecRequest("echo " + std::to_string(i)).dump() + "\n\n";
  client.SendRaw(lines);
  for (int i = 0; i < 50; ++i) {
    REQUIRE(client.Receive()["stdout"] == std::to_string(i) + "\n");
  }
}

TEST_CASE("a client that only ends its sending gets its answers", "[agent][json]") {
  AgentProcess agent;
  JsonClient client(agent);
  client.Send(ExecRequest("sleep 0.2; echo late"));
  client.Send({{"op", "ping"}});
  client.EndSending();
  CHECK(client.Receive()["stdout"] == "late\n");
  CHECK(client.Receive()["ok"] == true);
  CHECK(client.ReceiveLine().empty());
}

TEST_CASE("a long command blocks no other connection", "[agent][json]") {
  AgentProcess agent;
  TempDir directory;
  const std::string gate = directory / "gate";
  REQUIRE(mkfifo(gate.c_str(), 0600) == 0);
  JsonClient slow(agent);
  slow.Send(ExecRequest("cat " + gate));
  JsonClient quick(agent);
  CHECK(quick.Call(ExecRequest("echo quick; echo open > " + gate))["stdout"] == "quick\n");
  CHECK(slow.Receive()["stdout"] == "open\n");
}

TEST_CASE("a client that goes away abandons its command", "[agent][json]") {
  AgentProcess agent;
  JsonClient client(agent);
  client.Send(ExecRequest("sleep 1000"));
  CHECK(Eventually([&agent] { return !agent.Children().empty(); }));
  client.Close();
  CHECK(Eventually([&agent] { return agent.Children().empty(); }));
}

TEST_CASE("a background process does not hold the answer back", "[agent][json]") {
  AgentProcess agent;
  const json reply = JsonClient(agent).Call(ExecRequest("sleep 1000 & echo $!"));
  const pid_t sleeper = std::stoi(reply["stdout"].get<std::string>());
  CHECK(IsAlive(sleeper));
  kill(sleeper, SIGKILL);
}

TEST_CASE("a line of 64 MiB is accepted", "[agent][json]") {
  AgentProcess agent;
  JsonClient client(agent);
  client.SendRaw("{\"op\":\"ping\",\"pad\":\"");
  const std::string piece(1 << 20, 'x');
  for (int i = 0; i < 64; ++i) client.SendRaw(piece);
  client.SendRaw("\"}\n");
  CHECK(client.Receive()["ok"] == true);
}

TEST_CASE("a line over the limit is answered with an error and the end", "[agent][json]") {
  AgentProcess agent;
  JsonClient client(agent);
  const std::string piece(1 << 20, 'x');
  for (int i = 0; i < 66; ++i) client.SendRaw(piece);
  CHECK(client.Receive()["error"].get<std::string>().find("longer than") != std::string::npos);
  CHECK(client.ReceiveLine().empty());
}

TEST_CASE("a command that writes without end is stopped at the limit", "[agent][json]") {
  AgentProcess agent;
  const json reply = JsonClient(agent).Call(ExecRequest("cat /dev/zero"));
  CHECK(reply["error"].get<std::string>().starts_with("exec: the command wrote more than"));
  CHECK(Eventually([&agent] { return agent.Children().empty(); }));
}
