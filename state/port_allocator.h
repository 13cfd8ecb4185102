#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "state/database.h"
#include "state/port_lease.h"

namespace ember::state {

// Hands out ports of the host as leases: rows that belong to a VM, go with it, and that SQLite
// itself refuses to double, wildcard addresses included (schema.sql). Nobody asks the host whether
// another program has the port. Every function is a part of the caller's transaction. Lives where
// its database lives.
class PortAllocator {
 public:
  // Borrows `database`.
  explicit PortAllocator(Database& database) : database_(database) {}

  // Leases the port of `wanted`, or the lowest free one of `any` where that is 0; answers the lease
  // with its port and with its address as inet_ntop writes it.
  //
  // A port that a VM has, also as one of every address: AlreadyExists (reason PORT_TAKEN). None
  // free in `any`: ResourceExhausted (reason NO_FREE_PORT). What is no address (or an IPv4 address
  // in IPv6 clothes) or no range: InvalidArgument. Before: the VM's row is there.
  absl::StatusOr<PortLease> Lease(const PortLease& wanted, PortRange any);

  // Answers the lease that was. NotFound (reason PORT_NOT_LEASED) when nobody has the port.
  absl::StatusOr<PortLease> Release(PortProtocol protocol, std::string_view host_address,
                                    uint16_t host_port);

  // By protocol, port and address.
  absl::StatusOr<std::vector<PortLease>> List();

 private:
  absl::StatusOr<uint16_t> LowestFree(const PortLease& wanted, PortRange any);
  absl::Status CheckFree(const PortLease& wanted);

  Database& database_;
};

// "tcp 127.0.0.1:8080", "udp [::1]:53".
std::string DescribePort(PortProtocol protocol, std::string_view host_address, uint16_t host_port);

}  // namespace ember::state
