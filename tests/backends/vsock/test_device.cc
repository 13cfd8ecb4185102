#include "tests/backends/vsock/test_device.h"

#include <unistd.h>

#include <cerrno>

#include "base/socket.h"
#include "tests/support/status_matchers.h"

namespace ember::vsock::testing {
namespace {

using ember::testing::ValueOf;

Cancellation Soon() { return Cancellation::After(absl::Seconds(5)); }

}  // namespace

TestDevice::TestDevice(Options options)
    : listener_(ValueOf(ListenUnix(directory_ / "v", 0600))),
      loop_(ValueOf(EventLoop::Create("worker"))),
      server_(vhost_user::BytesOf(uint64_t{3})),
      table_(ValueOf(ConnectionTable::Create())) {
  auto pair = ValueOf(SocketPair());
  Muxer::Options muxer;
  muxer.guest_cid = 3;
  muxer.forward_prefix = directory_ / "v";
  muxer.patience = options.patience;
  muxer.max_connections = options.max_connections;
  worker_ = std::make_unique<Worker>(Worker::Borrowed{*loop_, server_, *table_, listener_.get()},
                                     std::move(pair.second), std::move(muxer), Log());
  REQUIRE_OK(worker_->Start());
  loop_->Start();
  driver_ = std::make_unique<FakeDriver>(std::move(pair.first), options.driver);
  driver_->Negotiate();
  if (options.start == Options::Start::kNoRings) return;
  driver_->PostReceiveBuffers(options.driver.rx_buffers);
  driver_->StartRings();
}

TestDevice::~TestDevice() { loop_->Stop(); }

UniqueFd TestDevice::Connect(std::string_view text) {
  UniqueFd socket = ValueOf(ConnectUnix(directory_ / "v"));
  WriteBytes(socket.get(), text);
  return socket;
}

TestDevice::Opened TestDevice::OpenFromHost(uint32_t port) {
  Opened opened;
  opened.socket = Connect("CONNECT " + std::to_string(port) + "\n");
  const FakeDriver::Packet request = driver_->Receive();
  REQUIRE(request.header.op() == Operation::kRequest);
  CHECK(request.header.destination_port == port);
  CHECK(request.header.destination_cid == 3);
  opened.host_port = request.header.source_port;
  driver_->Send(driver_->Header(Operation::kResponse, port, opened.host_port));
  const std::string line = "OK " + std::to_string(opened.host_port) + "\n";
  CHECK(ReadBytes(opened.socket.get(), line.size()) == line);
  return opened;
}

UniqueFd TestDevice::OpenFromGuest(uint32_t guest_port, uint32_t port) {
  const UniqueFd listener = ValueOf(ListenUnix(directory_ / ("v_" + std::to_string(port)), 0600));
  driver_->Send(driver_->Header(Operation::kRequest, guest_port, port));
  CHECK(driver_->Receive().header.op() == Operation::kResponse);
  UniqueFd socket = ValueOf(AcceptUnix(listener.get()));
  REQUIRE(socket.valid());
  return socket;
}

std::string ReadBytes(int fd, size_t count) {
  std::string bytes(count, '\0');
  REQUIRE_OK(ReadFully(fd, bytes.data(), count, Soon()));
  return bytes;
}

std::string ReadToEnd(int fd) {
  const Cancellation soon = Soon();
  std::string bytes;
  char buffer[16384];
  while (true) {
    REQUIRE_OK(soon.WaitReadable(fd, "end of the stream"));
    const ssize_t count = read(fd, buffer, sizeof(buffer));
    if (count < 0 && errno == EAGAIN) continue;
    if (count <= 0) return bytes;
    bytes.append(buffer, static_cast<size_t>(count));
  }
}

void WriteBytes(int fd, std::string_view bytes) { REQUIRE_OK(WriteFully(fd, bytes, Soon())); }

std::string Pattern(size_t size) {
  std::string bytes(size, '\0');
  uint32_t state = 1;
  for (char& byte : bytes) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<char>(state >> 24);
  }
  return bytes;
}

}  // namespace ember::vsock::testing
