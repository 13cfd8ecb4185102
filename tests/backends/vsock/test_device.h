#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "backends/vsock/worker.h"
#include "tests/backends/vsock/fake_driver.h"
#include "tests/support/temp_dir.h"

namespace ember::vsock::testing {

// A worker on a thread of its own, with a fake driver at its control socket and a real hybrid
// socket for host programs.
class TestDevice {
 public:
  struct Options {
    FakeDriver::Options driver;
    absl::Duration patience = absl::Seconds(2);
    size_t max_connections = kMaxConnections;
    enum class Start { kRunning, kNoRings } start = Start::kRunning;
  };

  TestDevice() : TestDevice(Options()) {}
  explicit TestDevice(Options options);
  ~TestDevice();

  FakeDriver& driver() { return *driver_; }
  const ember::testing::TempDir& directory() const { return directory_; }

  // Connects as a host program and writes `text`.
  UniqueFd Connect(std::string_view text);
  // A connection that the host's side has opened to the guest's `port`, OK line read; its host
  // port.
  struct Opened {
    UniqueFd socket;
    uint32_t host_port;
  };
  Opened OpenFromHost(uint32_t port);
  // One that the guest has opened to the host's `port`, where a program listens.
  UniqueFd OpenFromGuest(uint32_t guest_port, uint32_t port);

 private:
  ember::testing::TempDir directory_;
  UniqueFd listener_;
  std::unique_ptr<EventLoop> loop_;
  vhost_user::Server server_;
  std::optional<ConnectionTable> table_;
  std::unique_ptr<Worker> worker_;
  std::unique_ptr<FakeDriver> driver_;
};

// Reads exactly so many bytes, or fails the test after five seconds.
std::string ReadBytes(int fd, size_t count);
// Reads until the end; also when the peer reset.
std::string ReadToEnd(int fd);
void WriteBytes(int fd, std::string_view bytes);
// Bytes with no short period.
std::string Pattern(size_t size);

}  // namespace ember::vsock::testing
