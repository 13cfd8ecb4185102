#include "state/port_allocator.h"

#include <arpa/inet.h>

#include <array>

#include "base/check.h"
#include "base/status.h"
#include "state/quotable.h"

namespace ember::state {
namespace {

// Leases of one protocol that are in the way of an address: the trigger port_lease_wildcard says
// the same.
constexpr std::string_view kInTheWay =
    "protocol = ?1 AND host_port BETWEEN ?3 AND ?4 AND (host_address = ?2"
    " OR '::' IN (host_address, ?2) OR ('0.0.0.0' IN (host_address, ?2)"
    " AND instr(host_address, ':') = 0 AND instr(?2, ':') = 0))";

constexpr std::string_view kColumns =
    "protocol, host_port, host_address, vm_id, guest_target, purpose";

absl::StatusOr<PortLease> ReadLease(const Statement& row) {
  const std::optional<PortProtocol> protocol = ParsePortProtocol(row.Text(0));
  if (!protocol.has_value()) return DataLoss("unknown protocol '{}'", row.Text(0));
  PortLease lease;
  lease.protocol = *protocol;
  lease.host_port = static_cast<uint16_t>(row.Int64(1));
  lease.host_address = row.Text(2);
  lease.vm_id = row.Text(3);
  lease.guest_target = row.Text(4);
  lease.purpose = row.Text(5);
  return lease;
}

absl::StatusOr<std::string> Canonical(const std::string& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  in_addr v4{};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) {
    return std::string(inet_ntop(AF_INET, &v4, text.data(), text.size()));
  }
  in6_addr v6{};
  if (inet_pton(AF_INET6, address.c_str(), &v6) != 1) {
    return WithReason(WithHint(InvalidArgument("'{}' is no IP address", Quotable(address)),
                               "give an address of this host, e.g. 127.0.0.1"),
                      "INVALID_ADDRESS");
  }
  const std::string shown = inet_ntop(AF_INET6, &v6, text.data(), text.size());
  if (!IN6_IS_ADDR_V4MAPPED(&v6)) return shown;
  return WithReason(WithHint(InvalidArgument("'{}' is an IPv4 address in IPv6 clothes", shown),
                             fmt::format("give it as {}", shown.substr(shown.rfind(':') + 1))),
                    "INVALID_ADDRESS");
}

absl::Status CheckRange(PortRange range) {
  if (range.first >= 1 && range.first <= range.last) return absl::OkStatus();
  return WithReason(
      WithHint(InvalidArgument("{} to {} is no range of ports", range.first, range.last),
               "give two ports from 1 to 65535, the lower one first"),
      "INVALID_RANGE");
}

}  // namespace

std::string DescribePort(PortProtocol protocol, std::string_view host_address, uint16_t host_port) {
  const bool v6 = host_address.find(':') != std::string_view::npos;
  return fmt::format("{} {}{}{}:{}", PortProtocolName(protocol), v6 ? "[" : "", host_address,
                     v6 ? "]" : "", host_port);
}

absl::StatusOr<PortLease> PortAllocator::Lease(const PortLease& wanted, PortRange any) {
  EMBER_CHECK(database_.in_transaction());
  PortLease lease = wanted;
  ASSIGN_OR_RETURN(lease.host_address, Canonical(wanted.host_address));
  if (lease.host_port == 0) {
    ASSIGN_OR_RETURN(lease.host_port, LowestFree(lease, any));
  } else {
    RETURN_IF_ERROR(CheckFree(lease));
  }
  ASSIGN_OR_RETURN(
      Statement insert,
      database_.Prepare("INSERT INTO port_lease (protocol, host_port, host_address, vm_id,"
                        " guest_target, purpose) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"));
  RETURN_IF_ERROR(insert.Run(PortProtocolName(lease.protocol), lease.host_port, lease.host_address,
                             lease.vm_id, lease.guest_target, lease.purpose));
  return lease;
}

absl::Status PortAllocator::CheckFree(const PortLease& wanted) {
  ASSIGN_OR_RETURN(Statement query,
                   database_.Prepare(fmt::format(
                       "SELECT name, host_address FROM port_lease LEFT JOIN vm ON vm.id = vm_id"
                       " WHERE {} LIMIT 1",
                       kInTheWay)));
  RETURN_IF_ERROR(query.Bind(PortProtocolName(wanted.protocol), wanted.host_address,
                             wanted.host_port, wanted.host_port));
  ASSIGN_OR_RETURN(const bool taken, query.Next());
  if (!taken) return absl::OkStatus();
  const std::string holder = query.Text(0);
  const std::string held = query.Text(1);
  const std::string as =
      held == wanted.host_address
          ? ""
          : " as " + DescribePort(wanted.protocol, held, wanted.host_port).substr(4);
  const absl::Status status =
      WithHint(AlreadyExists("port {} is taken by vm '{}'{}",
                             DescribePort(wanted.protocol, wanted.host_address, wanted.host_port),
                             holder, as),
               "choose another port, or 0 for any free one");
  return WithMetadata(WithReason(status, "PORT_TAKEN"), "vm", holder);
}

absl::StatusOr<uint16_t> PortAllocator::LowestFree(const PortLease& wanted, PortRange any) {
  RETURN_IF_ERROR(CheckRange(any));
  ASSIGN_OR_RETURN(Statement query,
                   database_.Prepare(fmt::format("SELECT DISTINCT host_port FROM port_lease"
                                                 " WHERE {} ORDER BY host_port",
                                                 kInTheWay)));
  RETURN_IF_ERROR(
      query.Bind(PortProtocolName(wanted.protocol), wanted.host_address, any.first, any.last));
  uint32_t lowest = any.first;
  while (true) {
    ASSIGN_OR_RETURN(const bool row, query.Next());
    if (!row || query.Int64(0) != lowest) break;
    ++lowest;
  }
  if (lowest <= any.last) return static_cast<uint16_t>(lowest);
  return WithReason(
      WithHint(ResourceExhausted("no free {} port on {} (all of {} to {} are taken)",
                                 PortProtocolName(wanted.protocol), wanted.host_address, any.first,
                                 any.last),
               "release ports that are no longer needed, or ask for one outside of the range"),
      "NO_FREE_PORT");
}

absl::StatusOr<PortLease> PortAllocator::Release(PortProtocol protocol,
                                                 std::string_view host_address,
                                                 uint16_t host_port) {
  ASSIGN_OR_RETURN(const std::string address, Canonical(std::string(host_address)));
  ASSIGN_OR_RETURN(
      Statement remove,
      database_.Prepare(fmt::format("DELETE FROM port_lease WHERE protocol = ?1 AND host_port = ?2"
                                    " AND host_address = ?3 RETURNING {}",
                                    kColumns)));
  RETURN_IF_ERROR(remove.Bind(PortProtocolName(protocol), host_port, address));
  ASSIGN_OR_RETURN(const bool row, remove.Next());
  if (row) return ReadLease(remove);
  return WithReason(NotFound("port {} is not leased", DescribePort(protocol, address, host_port)),
                    "PORT_NOT_LEASED");
}

absl::StatusOr<std::vector<PortLease>> PortAllocator::List() {
  ASSIGN_OR_RETURN(Statement query,
                   database_.Prepare(fmt::format("SELECT {} FROM port_lease"
                                                 " ORDER BY protocol, host_port, host_address",
                                                 kColumns)));
  RETURN_IF_ERROR(query.Bind());
  std::vector<PortLease> leases;
  while (true) {
    ASSIGN_OR_RETURN(const bool row, query.Next());
    if (!row) return leases;
    ASSIGN_OR_RETURN(PortLease lease, ReadLease(query));
    leases.push_back(std::move(lease));
  }
}

}  // namespace ember::state
