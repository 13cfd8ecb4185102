#include "tests/bench/vsock/measure.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <thread>

#include "base/check.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "tests/bench/vsock/ports.h"

namespace ember::bench {
namespace {

using Clock = std::chrono::steady_clock;
constexpr uint64_t kBytesOfMib = 1 << 20;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

absl::Status WriteAll(int fd, const char* bytes, uint64_t count) {
  while (count > 0) {
    const ssize_t written = send(fd, bytes, count, MSG_NOSIGNAL);
    if (written <= 0) return ErrnoStatus(errno, "send");
    bytes += written;
    count -= static_cast<uint64_t>(written);
  }
  return absl::OkStatus();
}

absl::Status Exchange(int fd) {
  char byte = 'x';
  RETURN_IF_ERROR(WriteAll(fd, &byte, 1));
  if (read(fd, &byte, 1) != 1) return Unavailable("echo: the connection ended");
  return absl::OkStatus();
}

}  // namespace

double Percentile(std::vector<double> samples, double share) {
  EMBER_CHECK(!samples.empty());
  std::sort(samples.begin(), samples.end());
  const double rank = std::ceil(share * static_cast<double>(samples.size()));
  return samples[std::max<size_t>(static_cast<size_t>(rank), 1) - 1];
}

absl::StatusOr<double> HostToGuest(const Guest& guest, uint64_t mib) {
  ASSIGN_OR_RETURN(const UniqueFd socket, guest.Dial(kSinkPort));
  const std::vector<char> chunk(kChunk, 'h');
  const Clock::time_point start = Clock::now();
  for (uint64_t sent = 0; sent < mib * kBytesOfMib; sent += kChunk) {
    RETURN_IF_ERROR(WriteAll(socket.get(), chunk.data(), kChunk));
  }
  shutdown(socket.get(), SHUT_WR);
  char answer;
  if (read(socket.get(), &answer, 1) != 1) return Unavailable("sink: no answer");
  return static_cast<double>(mib) / SecondsSince(start);
}

absl::StatusOr<double> GuestToHost(const Guest& guest, uint64_t mib) {
  ASSIGN_OR_RETURN(const UniqueFd socket, guest.Dial(kSourcePort));
  std::vector<char> chunk(kChunk);
  const uint64_t total = mib * kBytesOfMib;
  const Clock::time_point start = Clock::now();
  RETURN_IF_ERROR(WriteAll(socket.get(), reinterpret_cast<const char*>(&total), sizeof(total)));
  uint64_t received = 0;
  while (received < total) {
    const ssize_t count = read(socket.get(), chunk.data(), chunk.size());
    if (count <= 0) return Unavailable("source: {} of {} bytes", received, total);
    received += static_cast<uint64_t>(count);
  }
  return static_cast<double>(mib) / SecondsSince(start);
}

absl::StatusOr<RoundTrips> PingPong(const Guest& guest, int count) {
  ASSIGN_OR_RETURN(const UniqueFd socket, guest.Dial(kEchoPort));
  std::vector<double> micros;
  for (int i = 0; i < count; ++i) {
    const Clock::time_point start = Clock::now();
    RETURN_IF_ERROR(Exchange(socket.get()));
    micros.push_back(SecondsSince(start) * 1e6);
  }
  return RoundTrips{Percentile(micros, 0.50), Percentile(micros, 0.99)};
}

absl::StatusOr<double> ConnectRate(const Guest& guest, int count) {
  const Clock::time_point start = Clock::now();
  for (int i = 0; i < count; ++i) {
    ASSIGN_OR_RETURN(const UniqueFd socket, guest.Dial(kEchoPort));
    RETURN_IF_ERROR(Exchange(socket.get()));
  }
  return count / SecondsSince(start);
}

absl::StatusOr<double> KillWorker(const Guest& guest) {
  ASSIGN_OR_RETURN(const UniqueFd load, guest.Dial(kSinkPort));
  std::atomic<uint64_t> sent{0};
  std::thread writer([&load, &sent] {
    const std::vector<char> chunk(kChunk, 'k');
    // Ends when the worker does.
    while (WriteAll(load.get(), chunk.data(), kChunk).ok()) ++sent;
  });
  while (sent < 64) std::this_thread::yield();
  const absl::StatusOr<pid_t> worker = guest.Worker();
  const Clock::time_point start = Clock::now();
  absl::Status status = worker.status();
  if (worker.ok()) {
    kill(*worker, SIGKILL);
    status = Unavailable("the guest is not reachable any more");
    while (!status.ok() && SecondsSince(start) < 10) {
      const absl::StatusOr<UniqueFd> socket = guest.Dial(kEchoPort);
      status = socket.ok() ? Exchange(socket->get()) : socket.status();
    }
  }
  const double millis = SecondsSince(start) * 1e3;
  shutdown(load.get(), SHUT_RDWR);
  writer.join();
  RETURN_IF_ERROR(status);
  return millis;
}

}  // namespace ember::bench
