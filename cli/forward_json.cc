#include "cli/forward_json.h"

#include "cli/json_dump.h"

namespace ember::cli {
namespace {

Json InetJson(const char* protocol, const v1::TcpAddress& address) {
  return {{"protocol", protocol},
          {"ip", OrNull(address.ip())},
          {"port", address.port()},
          {"path", nullptr}};
}

Json ToJson(const v1::SocketAddress& address) {
  switch (address.where_case()) {
    case v1::SocketAddress::kTcp:
      return InetJson("tcp", address.tcp());
    case v1::SocketAddress::kUdp:
      return InetJson("udp", address.udp());
    default:
      return {{"protocol", "unix"},
              {"ip", nullptr},
              {"port", nullptr},
              {"path", OrNull(address.unix_path())}};
  }
}

Json ToJson(const v1::Forward& forward) {
  return {{"id", forward.id()},
          {"vm", forward.vm()},
          {"host", ToJson(forward.host())},
          {"guest", ToJson(forward.guest())},
          {"reverse", forward.reverse()},
          {"serving", forward.serving()},
          {"reason", OrNull(forward.reason())},
          {"connections", forward.connections()}};
}

}  // namespace

std::string JsonText(const v1::Forward& forward) { return Dump(ToJson(forward)); }

std::string JsonText(const v1::ListForwardsResponse& response) {
  Json list = Json::array();
  for (const v1::Forward& forward : response.forwards()) list.push_back(ToJson(forward));
  return Dump(list);
}

}  // namespace ember::cli
