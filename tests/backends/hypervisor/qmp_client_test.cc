#include "backends/hypervisor/qemu/qmp_client.h"

#include <nlohmann/json.hpp>

#include "base/status.h"
#include "tests/backends/hypervisor/stream_server.h"

namespace ember::hypervisor {
namespace {

using ember::testing::StatusOf;
using ember::testing::StreamServer;
using ember::testing::ValueOf;
using nlohmann::json;

constexpr std::string_view kGreeting =
    "{\"QMP\": {\"version\": {\"qemu\": {\"major\": 7}}, \"capabilities\": [\"oob\"]}}\r\n";

Cancellation Soon() { return Cancellation::After(absl::Seconds(20)); }

// QEMU as far as its negotiation; then `answer` to every command.
StreamServer::Play Qemu(std::function<std::string(const json&)> answer) {
  return [answer = std::move(answer)](int fd) {
    StreamServer::Say(fd, kGreeting);
    while (true) {
      const std::string line = StreamServer::ReadLine(fd);
      if (line.empty()) return;
      const json command = json::parse(line);
      StreamServer::Say(
          fd, command["execute"] == "qmp_capabilities" ? "{\"return\": {}}\r\n" : answer(command));
    }
  };
}

TEST_CASE("a command's answer is found between events", "[hypervisor][qmp]") {
  StreamServer qemu(Qemu([](const json& command) {
    return "{\"event\": \"STOP\", \"timestamp\": {}}\r\n{\"event\": \"X\", \"data\": 3}\r\n"
           "{\"return\": {\"running\": true, \"asked\": " +
           command["arguments"].dump() + "}}\r\n";
  }));
  QmpClient client = ValueOf(QmpClient::Connect(qemu.path(), Soon()));
  const json answer = ValueOf(client.Execute("query-status", {{"a", "b,c"}}, Soon()));
  CHECK(answer["running"] == true);
  CHECK(answer["asked"]["a"] == "b,c");
}

TEST_CASE("an error reply names command, description and class", "[hypervisor][qmp]") {
  StreamServer qemu(Qemu([](const json& command) -> std::string {
    if (command["execute"] == "device_del") {
      return "{\"error\": {\"class\": \"DeviceNotFound\", \"desc\": \"Device 'x' not found\"}}\n";
    }
    return "{\"error\": \"nonsense\"}\n";
  }));
  QmpClient client = ValueOf(QmpClient::Connect(qemu.path(), Soon()));
  const absl::Status missing = client.Execute("device_del", Soon());
  CHECK(absl::IsNotFound(missing));
  CHECK(Message(missing) == "QEMU: device_del: Device 'x' not found (DeviceNotFound)");
  CHECK(absl::IsDataLoss(client.Execute("stop", Soon())));
}

TEST_CASE("garbage from the control socket is an error, not a crash", "[hypervisor][qmp]") {
  const std::string garbage = GENERATE(
      as<std::string>{}, "\n", "[1,2]\n", "{\"QMP\"\n", std::string("\xff\xfe\x00\x01\n", 5),
      "null\n", "{\"return\": {}}\n", std::string(2 << 20, 'x'), std::string(100'000, '[') + "\n");
  StreamServer server([&](int fd) {
    StreamServer::Say(fd, garbage);
    StreamServer::Linger(fd);
  });
  const auto client = QmpClient::Connect(server.path(), Soon());
  INFO(StatusOf(client).ToString());
  CHECK(absl::IsDataLoss(client.status()));
}

TEST_CASE("a control socket that closes or stays silent ends the wait", "[hypervisor][qmp]") {
  StreamServer closing([](int) {});
  CHECK(absl::IsUnavailable(QmpClient::Connect(closing.path(), Soon()).status()));
  StreamServer silent([](int fd) { StreamServer::Linger(fd); });
  const auto waited =
      QmpClient::Connect(silent.path(), Cancellation::After(absl::Milliseconds(30)));
  CHECK(absl::IsDeadlineExceeded(waited.status()));
  CHECK(absl::IsUnavailable(QmpClient::Connect("/nowhere/qmp", Soon()).status()));
}

TEST_CASE("an event that came before it was waited for counts", "[hypervisor][qmp]") {
  StreamServer qemu(Qemu([](const json&) {
    return "{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"vsock0\", \"path\": \"/\"}}\n"
           "{\"return\": {}}\n{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"b\"}}\n";
  }));
  QmpClient client = ValueOf(QmpClient::Connect(qemu.path(), Soon()));
  REQUIRE_OK(client.Execute("device_del", Soon()));
  REQUIRE_OK(client.WaitForDeviceEvent("DEVICE_DELETED", "vsock0", Soon()));
  REQUIRE_OK(client.WaitForDeviceEvent("DEVICE_DELETED", "b", Soon()));
  const auto never =
      client.WaitForDeviceEvent("DEVICE_DELETED", "c", Cancellation::After(absl::Milliseconds(30)));
  CHECK(absl::IsDeadlineExceeded(never));
}

}  // namespace
}  // namespace ember::hypervisor
