#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "backends/vsock/connection.h"

namespace ember::vsock {

// The most connections at a time, host programs that wait for the guest included.
inline constexpr size_t kMaxConnections = 1023;

// Which connections the guest may believe in, in memory that a worker shares with the keeper that
// forked it: the next worker tells the guest that they are gone. Also the last host port given
// away, so that a new connection never takes an old one's name. One worker writes at a time.
class ConnectionTable {
 public:
  // Fails when the host has no memory left.
  static absl::StatusOr<ConnectionTable> Create();
  ConnectionTable(ConnectionTable&&) = default;
  ConnectionTable& operator=(ConnectionTable&&) = default;

  // Notes a connection; at most kMaxConnections of them.
  void Insert(ConnectionKey key);
  void Erase(ConnectionKey key);
  // All that are noted, which are forgotten.
  std::vector<ConnectionKey> TakeAll();

  // The next host port for a client's connection: from 2^30 up to 2^31 - 1, then again from 2^30.
  uint32_t NextHostPort();

 private:
  struct Shared {
    uint32_t last_host_port;
    std::array<ConnectionKey, kMaxConnections> slots;  // a host port of 0: free
  };
  struct Unmap {
    void operator()(Shared* shared) const;
  };

  explicit ConnectionTable(Shared* shared);

  std::unique_ptr<Shared, Unmap> shared_;
  std::vector<uint16_t> free_;  // this process's idea of the free slots, the next one last
};

}  // namespace ember::vsock
