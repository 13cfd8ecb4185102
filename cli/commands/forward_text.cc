#include "cli/commands/forward_text.h"

#include "base/status.h"
#include "cli/table.h"

namespace ember::cli {
namespace {

std::string InetText(const v1::TcpAddress& address) {
  if (address.ip().empty()) return std::to_string(address.port());
  const bool v6 = address.ip().find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", address.ip(), v6 ? "]" : "", address.port());
}

}  // namespace

v1::SocketAddress AddressOf(const SocketSpec& spec, Transport transport, const std::string& ip) {
  v1::SocketAddress address;
  if (!spec.path.empty()) {
    address.set_unix_path(spec.path);
    return address;
  }
  v1::TcpAddress& inet =
      transport == Transport::kStream ? *address.mutable_tcp() : *address.mutable_udp();
  inet.set_ip(ip);
  inet.set_port(spec.port);
  return address;
}

std::string SocketText(const v1::SocketAddress& address) {
  switch (address.where_case()) {
    case v1::SocketAddress::kTcp:
      return InetText(address.tcp());
    case v1::SocketAddress::kUdp:
      return InetText(address.udp()) + "/udp";
    default:
      return address.unix_path();
  }
}

std::string ForwardTableText(const v1::ListForwardsResponse& response) {
  Table table({"ID", "VM", "LISTENS", "LEADS TO", "OPEN", "STATUS"});
  for (const v1::Forward& forward : response.forwards()) {
    const std::string host = "host " + SocketText(forward.host());
    const std::string guest = "vm " + SocketText(forward.guest());
    table.Add({forward.id(), forward.vm(), forward.reverse() ? guest : host,
               forward.reverse() ? host : guest, std::to_string(forward.connections()),
               forward.serving() ? "serving" : forward.reason()});
  }
  return table.Text();
}

}  // namespace ember::cli
