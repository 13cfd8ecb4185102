// One connection that gets any packets and socket events in any order: it must keep its promises
// (credit, no payload after the end) and never touch what is not its own.

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "backends/vsock/connection.h"
#include "backends/vsock/packet.h"
#include "base/check.h"
#include "base/socket.h"
#include "tests/fuzz/vsock/fuzz_input.h"

namespace {

using ember::fuzz::Input;
using ember::vsock::Connection;
using ember::vsock::PacketHeader;

void OnPacket(Input& input, Connection& connection) {
  std::string bytes(input.TakeBytes(sizeof(PacketHeader)));
  bytes += input.TakeBytes(input.Take<uint8_t>());
  std::vector<iovec> pieces;
  size_t at = 0;
  while (at < bytes.size()) {
    const size_t length = std::min<size_t>(1 + input.Take<uint8_t>() % 64, bytes.size() - at);
    pieces.push_back({bytes.data() + at, length});
    at += length;
  }
  PacketHeader header;
  std::vector<iovec> payload;
  if (!ember::vsock::SplitPacket(pieces, header, payload)) return;
  EMBER_CHECK(ember::vsock::TotalBytes(payload) <= header.length);
  if (header.op() == ember::vsock::Operation::kRequest) return;
  connection.OnPacket(header, payload);
}

void TakeOwed(Connection& connection) {
  for (int i = 0; connection.HasControl(); ++i) {
    EMBER_CHECK(i < 8);  // what is owed comes to an end
    connection.TakeControl();
  }
  if (!connection.HasPayload()) return;
  char buffer[512];
  const size_t room = std::min<uint64_t>(sizeof(buffer), connection.Credit());
  EMBER_CHECK(room > 0);
  const iovec piece{buffer, room};
  EMBER_CHECK(connection.ReadPayload({&piece, 1}) <= room);
}

void Step(Input& input, Connection& connection, ember::UniqueFd& program) {
  char drain[4096];
  switch (input.Take<uint8_t>() % 8) {
    case 0:
    case 1:
      return OnPacket(input, connection);
    case 2:
      return TakeOwed(connection);
    case 3: {
      const std::string_view bytes = input.TakeBytes(input.Take<uint8_t>());
      if (program.valid()) send(program.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      return connection.OnSocket(EPOLLIN);
    }
    case 4:
      if (program.valid()) [[maybe_unused]]
        const ssize_t ignored = recv(program.get(), drain, sizeof(drain), MSG_DONTWAIT);
      return connection.OnSocket(EPOLLOUT);
    case 5:
      if (program.valid()) shutdown(program.get(), SHUT_WR);
      return connection.OnSocket(EPOLLIN);
    case 6:
      program.Reset();
      return connection.OnSocket(EPOLLIN | EPOLLHUP);
    default:
      return connection.OnTimeout();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  Input input(bytes, size);
  auto pair = ember::SocketPair();
  if (!pair.ok()) return 0;
  PacketHeader request;
  request.source_cid = 3;
  request.buffer_size = 65536;
  const bool from_host = input.Take<uint8_t>() % 2 == 0;
  std::unique_ptr<Connection> connection =
      from_host ? std::make_unique<Connection>(ember::vsock::ConnectionKey{1, 2}, 3,
                                               std::move(pair->first))
                : std::make_unique<Connection>(ember::vsock::ConnectionKey{1, 2},
                                               std::move(pair->first), request);
  for (int i = 0; i < 200 && !input.empty(); ++i) {
    const Connection::State state = connection->state();
    if (state == Connection::State::kDone || state == Connection::State::kDraining) break;
    Step(input, *connection, pair->second);
    connection->WantedEvents();
  }
  return 0;
}
