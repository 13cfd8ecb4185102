#include "guest-agent/stream_address.h"

#include <string>

#include "base/status.h"
#include "base/status_macros.h"

namespace ember::agent {
namespace {

absl::Status CheckPath(const std::string& path) {
  if (!path.starts_with('/')) return InvalidArgument("a socket's path is absolute");
  if (path.find('\0') != std::string::npos) return InvalidArgument("a socket's path has no NUL");
  if (path.size() > kLongestSocketPath) {
    return InvalidArgument("a socket's path has at most {} bytes, not {}", kLongestSocketPath,
                           path.size());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<uint16_t> PortOf(uint32_t number, uint32_t least) {
  if (number >= least && number <= UINT16_MAX) return static_cast<uint16_t>(number);
  return InvalidArgument("port {} is not from {} to 65535", number, least);
}

absl::StatusOr<StreamAddress> AddressOf(const v1::Address& address, uint32_t least_port) {
  StreamAddress checked;
  switch (address.where_case()) {
    case v1::Address::kTcpPort: {
      ASSIGN_OR_RETURN(checked.port, PortOf(address.tcp_port(), least_port));
      return checked;
    }
    case v1::Address::kUnixPath:
      RETURN_IF_ERROR(CheckPath(address.unix_path()));
      checked.unix_path = address.unix_path();
      return checked;
    default:
      return InvalidArgument("an address is missing");
  }
}

}  // namespace ember::agent
