// The program itself: a pair of processes, killed and closed in every way.

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>

#include "base/file.h"
#include "base/socket.h"
#include "base/subprocess.h"
#include "tests/backends/vsock/test_device.h"
#include "tests/support/status_matchers.h"

namespace ember::vsock::testing {
namespace {

using ember::testing::ValueOf;

constexpr uint32_t kPort = 5000;

// A running ember-vsock-device with a fake driver as its QEMU.
class DeviceProcess {
 public:
  explicit DeviceProcess(int log = STDERR_FILENO, std::string level = "error") {
    auto pair = ValueOf(SocketPair());
    SpawnOptions options;
    options.argv = {EMBER_VSOCK_DEVICE,
                    "--guest-cid",
                    "3",
                    "--vhost-fd",
                    "3",
                    "--uds-path",
                    directory_ / "v",
                    "--forward-prefix",
                    directory_ / "v",
                    "--log-level",
                    level};
    options.stderr_fd = log;
    options.pass_fds = {{pair.second.get(), 3}};
    options.die_with_parent = true;
    process_.emplace(ValueOf(Spawn(options)));
    pair.second.Reset();
    FakeDriver::Options driver;
    driver.peer = FakeDriver::Peer::kKeeper;
    driver_ = std::make_unique<FakeDriver>(std::move(pair.first), driver);
    driver_->Negotiate();
    driver_->PostReceiveBuffers(64);
    driver_->StartRings();
  }
  ~DeviceProcess() {
    process_->Signal(SIGKILL).IgnoreError();
    process_->Wait(Cancellation::After(absl::Seconds(5))).status().IgnoreError();
  }

  FakeDriver& driver() { return *driver_; }
  Process& process() { return *process_; }
  std::filesystem::path path() const { return directory_ / "v"; }

  // The worker, or a failed test when there is none.
  pid_t Worker() const {
    const pid_t keeper = process_->identity().pid;
    const std::string children =
        ValueOf(ReadFile(fmt::format("/proc/{0}/task/{0}/children", keeper)));
    pid_t pid = 0;
    std::from_chars(children.data(), children.data() + children.size(), pid);
    REQUIRE(pid > 0);
    return pid;
  }

  UniqueFd Open() {
    UniqueFd socket = ValueOf(ConnectUnix(path()));
    WriteBytes(socket.get(), "CONNECT 5000\n");
    FakeDriver::Packet packet = driver_->Receive();
    while (packet.header.op() != Operation::kRequest) packet = driver_->Receive();
    host_port = packet.header.source_port;
    driver_->Send(driver_->Header(Operation::kResponse, kPort, host_port));
    CHECK(ReadBytes(socket.get(), 3) == "OK ");
    while (ReadBytes(socket.get(), 1) != "\n") {
    }
    return socket;
  }

  uint32_t host_port = 0;

 private:
  ember::testing::TempDir directory_;
  std::optional<Process> process_;
  std::unique_ptr<FakeDriver> driver_;
};

ExitStatus WaitFor(Process& process) {
  return ValueOf(process.Wait(Cancellation::After(absl::Seconds(5))));
}

TEST_CASE("a worker that is killed is replaced, old connections are reset, new ones work",
          "[vsock][keeper]") {
  DeviceProcess device;
  for (int round = 0; round < 8; ++round) {
    const UniqueFd old = device.Open();
    const uint32_t old_port = device.host_port;
    REQUIRE(kill(device.Worker(), SIGKILL) == 0);
    CHECK(ReadToEnd(old.get()).empty());
    const FakeDriver::Packet reset = device.driver().Receive();
    CHECK(reset.header.op() == Operation::kReset);
    CHECK(reset.header.source_port == old_port);
    CHECK(reset.header.destination_port == kPort);
    const UniqueFd fresh = device.Open();
    CHECK(device.host_port != old_port);
    WriteBytes(fresh.get(), "again");
    CHECK(device.driver().Receive().payload == "again");
    device.driver().Send(device.driver().Header(Operation::kReset, kPort, device.host_port));
    CHECK(ReadToEnd(fresh.get()).empty());
  }
}

TEST_CASE("the worker runs under its filter, without new privileges", "[vsock][keeper]") {
  DeviceProcess device;
  for (const pid_t pid : {device.process().identity().pid, device.Worker()}) {
    const std::string status = ValueOf(ReadFile(fmt::format("/proc/{}/status", pid)));
    CHECK(status.find("NoNewPrivs:\t1") != std::string::npos);
#ifndef EMBER_SANITIZED
    CHECK(status.find("Seccomp:\t2") != std::string::npos);
#endif
  }
}

TEST_CASE("the pair ends with 0 and leaves no file when QEMU closes its socket",
          "[vsock][keeper]") {
  DeviceProcess device;
  Process worker = ValueOf(Process::Open(ValueOf(IdentifyProcess(device.Worker()))));
  device.driver().CloseSocket();
  CHECK(WaitFor(device.process()).code == 0);
  CHECK(worker.Ended());
  CHECK_FALSE(std::filesystem::exists(device.path()));
}

TEST_CASE("a log that nobody reads any more ends nothing", "[vsock][keeper]") {
  auto log = ValueOf(SocketPair());
  DeviceProcess device(log.second.get(), "warn");
  log.first.Reset();
  REQUIRE(kill(device.Worker(), SIGKILL) == 0);
  const UniqueFd fresh = device.Open();
  WriteBytes(fresh.get(), "still here");
  CHECK(device.driver().Receive().payload == "still here");
}

TEST_CASE("SIGTERM ends the pair in order", "[vsock][keeper]") {
  DeviceProcess device;
  REQUIRE_OK(device.process().Signal(SIGTERM));
  CHECK(WaitFor(device.process()).code == 0);
  CHECK_FALSE(std::filesystem::exists(device.path()));
}

TEST_CASE("a killed keeper takes its worker along", "[vsock][keeper]") {
  DeviceProcess device;
  Process worker = ValueOf(Process::Open(ValueOf(IdentifyProcess(device.Worker()))));
  REQUIRE_OK(device.process().Signal(SIGKILL));
  REQUIRE_OK(worker.Wait(Cancellation::After(absl::Seconds(5))));
}

TEST_CASE("a front-end that breaks the protocol ends the device with 1", "[vsock][keeper]") {
  DeviceProcess device;
  vhost_user::RequestMessage message;
  message.header = {6, vhost_user::kVersion, 0};
  device.driver().SendRequestOnly(message);
  CHECK(WaitFor(device.process()).code == 1);
}

TEST_CASE("a stopped ring's position is known also when the worker has just died",
          "[vsock][keeper]") {
  DeviceProcess device;
  device.Open();
  const pid_t worker = device.Worker();
  REQUIRE(kill(worker, SIGKILL) == 0);
  CHECK(device.driver().StopRing(1) == device.driver().tx_available());
}

TEST_CASE("a wrong command line ends with 2", "[vsock][keeper]") {
  const ToolResult result = ValueOf(RunTool({.argv = {EMBER_VSOCK_DEVICE, "--guest-cid", "1"}},
                                            Cancellation::After(absl::Seconds(5))));
  CHECK(result.exit.code == 2);
  CHECK(result.err.find("--guest-cid '1'") != std::string::npos);
}

TEST_CASE("a socket path that is taken by a live program fails with 1", "[vsock][keeper]") {
  ember::testing::TempDir directory;
  const UniqueFd taken = ValueOf(ListenUnix(directory / "v", 0600));
  const ToolResult result = ValueOf(
      RunTool({.argv = {EMBER_VSOCK_DEVICE, "--guest-cid", "3", "--vhost-socket", directory / "q",
                        "--uds-path", directory / "v", "--forward-prefix", directory / "v"}},
              Cancellation::After(absl::Seconds(5))));
  CHECK(result.exit.code == 1);
  CHECK(result.err.find("another process listens there") != std::string::npos);
}

}  // namespace
}  // namespace ember::vsock::testing
