#include "backends/vsock/vhost_user/server.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/socket.h"
#include "tests/support/status_matchers.h"

namespace ember::vhost_user {
namespace {

using ember::testing::ValueOf;

UniqueFd MakeMemory(off_t size) {
  UniqueFd fd(memfd_create("test", MFD_CLOEXEC));
  REQUIRE(ftruncate(fd.get(), size) == 0);
  return fd;
}

RequestMessage Make(Request request, std::string payload = "", std::vector<UniqueFd> fds = {}) {
  RequestMessage message;
  message.header = {static_cast<uint32_t>(request), kVersion,
                    static_cast<uint32_t>(payload.size())};
  message.payload = std::move(payload);
  message.fds = std::move(fds);
  return message;
}

std::vector<UniqueFd> One(UniqueFd fd) {
  std::vector<UniqueFd> fds;
  fds.push_back(std::move(fd));
  return fds;
}

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

TEST_CASE("the configuration space echoes the request with the CID", "[vhost_user][server]") {
  Server server(BytesOf(uint64_t{42}));
  const std::string ask = BytesOf(ConfigRange{0, 8, 0}) + std::string(8, '\0');
  const auto reply = ValueOf(server.Handle(Make(Request::kGetConfig, ask)));
  REQUIRE(reply.has_value());
  CHECK(*reply == BytesOf(ConfigRange{0, 8, 0}) + BytesOf(uint64_t{42}));
  const std::string beyond = BytesOf(ConfigRange{4, 8, 0}) + std::string(8, '\0');
  CHECK(ValueOf(server.Handle(Make(Request::kGetConfig, beyond))) == std::string());
}

TEST_CASE("what QEMU insists on is offered", "[vhost_user][server]") {
  Server server(std::string(8, '\0'));
  const auto features = ValueOf(server.Handle(Make(Request::kGetFeatures)));
  uint64_t value;
  std::memcpy(&value, features->data(), sizeof(value));
  CHECK((value & kFeatureProtocolFeatures) != 0);
  CHECK((value & kFeatureVersion1) != 0);
  const auto protocol = ValueOf(server.Handle(Make(Request::kGetProtocolFeatures)));
  std::memcpy(&value, protocol->data(), sizeof(value));
  CHECK((value & kProtocolConfig) != 0);
}

TEST_CASE("an answer is given on demand once it was negotiated", "[vhost_user][server]") {
  Server server("");
  RequestMessage owner = Make(Request::kSetOwner);
  owner.header.flags |= kNeedReplyFlag;
  CHECK_FALSE(ValueOf(server.Handle(std::move(owner))).has_value());
  REQUIRE_OK(server.Handle(Make(Request::kSetProtocolFeatures, BytesOf(kProtocolReplyAck))));
  owner = Make(Request::kSetOwner);
  owner.header.flags |= kNeedReplyFlag;
  CHECK(ValueOf(server.Handle(std::move(owner))) == BytesOf(uint64_t{0}));
}

TEST_CASE("a call descriptor is replaced each time and the old one closed",
          "[vhost_user][server]") {
  Server server("");
  for (int i = 0; i < 3; ++i) {
    const int before = server.ring(1).call.get();
    UniqueFd call(eventfd(0, EFD_CLOEXEC));
    const int number = call.get();
    REQUIRE_OK(
        server.Handle(Make(Request::kSetVringCall, BytesOf(uint64_t{1}), One(std::move(call)))));
    CHECK(server.ring(1).call.get() == number);
    if (before >= 0 && before != number) CHECK_FALSE(IsOpen(before));
  }
  UniqueFd error(eventfd(0, EFD_CLOEXEC));
  const int number = error.get();
  REQUIRE_OK(
      server.Handle(Make(Request::kSetVringErr, BytesOf(uint64_t{1}), One(std::move(error)))));
  CHECK_FALSE(IsOpen(number));
}

TEST_CASE("a front-end that breaks the protocol is refused", "[vhost_user][server]") {
  Server server("");
  CHECK_FALSE(server.Handle(Make(Request::kSetFeatures, BytesOf(~uint64_t{0}))).ok());
  CHECK_FALSE(server.Handle(Make(Request::kSetFeatures, "short")).ok());
  CHECK_FALSE(server.Handle(Make(Request::kSetVringNum, BytesOf(VringState{2, 128}))).ok());
  CHECK_FALSE(server.Handle(Make(Request::kSetVringKick, BytesOf(uint64_t{0}))).ok());
  CHECK_FALSE(server.Handle(Make(Request::kSetVringKick, BytesOf(kVringNoFd))).ok());
  CHECK_FALSE(server.Handle(Make(static_cast<Request>(6), "")).ok());
  CHECK_FALSE(server.Handle(Make(Request::kSetMemTable, BytesOf(uint64_t{0}))).ok());
}

TEST_CASE("a ring outside memory is refused without ending the session", "[vhost_user][server]") {
  Server server("");
  std::vector<size_t> refused;
  std::vector<size_t> started;
  Server::Listener listener;
  listener.refused = [&](size_t ring, const absl::Status&) { refused.push_back(ring); };
  listener.started = [&](size_t ring, Server::Listener::Start) { started.push_back(ring); };
  server.SetListener(std::move(listener));
  const MemoryRegion region{0, 0x10000, 0x1000000, 0};
  REQUIRE_OK(server.Handle(Make(Request::kSetMemTable, BytesOf(uint64_t{1}) + BytesOf(region),
                                One(MakeMemory(0x10000)))));
  const auto configure = [&server](uint32_t ring, const VringAddress& address) {
    REQUIRE_OK(server.Handle(Make(Request::kSetVringNum, BytesOf(VringState{ring, 16}))));
    REQUIRE_OK(server.Handle(Make(Request::kSetVringAddr, BytesOf(address))));
    REQUIRE_OK(server.Handle(Make(Request::kSetVringKick, BytesOf(uint64_t{ring}),
                                  One(UniqueFd(eventfd(0, EFD_CLOEXEC))))));
    REQUIRE_OK(server.Handle(Make(Request::kSetVringEnable, BytesOf(VringState{ring, 1}))));
  };
  configure(0, {0, 0, 0x1000000, 0x100fff0, 0x1001000, 0});  // the used ring runs out of memory
  configure(1, {1, 0, 0x1004000, 0x1005000, 0x1006000, 0});
  // It is tried again whenever something is said about the rings.
  CHECK_FALSE(refused.empty());
  CHECK(std::count(refused.begin(), refused.end(), size_t{1}) == 0);
  CHECK(started == std::vector<size_t>{1});
  CHECK(server.running(1));
}

TEST_CASE("memory that is not in its file is refused", "[vhost_user][memory]") {
  std::vector<UniqueFd> fds = One(MakeMemory(0x2000));
  CHECK(MemoryMap::Create({{0, 0x2000, 0, 0}}, fds).ok());
  CHECK_FALSE(MemoryMap::Create({{0, 0x3000, 0, 0}}, fds).ok());
  CHECK_FALSE(MemoryMap::Create({{0, 0x1000, 0, 0x2000}}, fds).ok());
  CHECK_FALSE(MemoryMap::Create({{0, 0, 0, 0}}, fds).ok());
  CHECK_FALSE(MemoryMap::Create({{~uint64_t{0}, 0x1000, 0, 0}}, fds).ok());
  CHECK_FALSE(MemoryMap::Create({{0, 0x1000, 0, ~uint64_t{0}}}, fds).ok());
}

TEST_CASE("an address is given out only when all of its bytes are there", "[vhost_user][memory]") {
  std::vector<UniqueFd> fds;
  fds.push_back(MakeMemory(0x3000));
  fds.push_back(MakeMemory(0x1000));
  // The first begins in the middle of a page of its file; the second goes on behind it.
  const MemoryMap map = ValueOf(
      MemoryMap::Create({{0x10000, 0x2000, 0xa0000, 0x800}, {0x12000, 0x1000, 0xb0000, 0}}, fds));
  CHECK(map.FromGuest(0x10000, 0x2000) != nullptr);
  CHECK(map.FromGuest(0x10000, 0x2001) == nullptr);
  CHECK(map.FromGuest(0xffff, 1) == nullptr);
  CHECK(map.FromGuest(0x13000, 1) == nullptr);
  CHECK(map.FromGuest(0x10000, ~uint64_t{0}) == nullptr);
  CHECK(map.FromUser(0xb0000, 0x1000) == map.FromGuest(0x12000, 0x1000));
  CHECK(map.FromUser(0xa1fff, 2) == nullptr);
  std::vector<iovec> pieces;
  REQUIRE(map.AppendGuestRange(0x11ff0, 0x20, pieces));
  REQUIRE(pieces.size() == 2);
  CHECK(pieces[0].iov_len == 0x10);
  CHECK_FALSE(map.AppendGuestRange(0x12ff0, 0x20, pieces));
  CHECK(pieces.size() == 2);
}

TEST_CASE("messages cross a socket with their descriptors", "[vhost_user][message]") {
  auto [front, back] = ValueOf(SocketPair());
  const Cancellation soon = Cancellation::After(absl::Seconds(5));
  REQUIRE_OK(SendRequest(
      front.get(), Make(Request::kSetVringCall, BytesOf(uint64_t{1}), One(MakeMemory(1))), soon));
  const auto message = ValueOf(ReceiveRequest(back.get(), soon));
  REQUIRE(message.has_value());
  CHECK(message->request() == Request::kSetVringCall);
  CHECK(message->fds.size() == 1);
  CHECK(ValueOf(PayloadAs<uint64_t>(*message)) == 1);
  front.Reset();
  CHECK_FALSE(ValueOf(ReceiveRequest(back.get(), soon)).has_value());
}

TEST_CASE("broken messages end the session", "[vhost_user][message]") {
  auto [front, back] = ValueOf(SocketPair());
  const Cancellation soon = Cancellation::After(absl::Seconds(5));
  SECTION("a payload that is too long") {
    REQUIRE_OK(WriteFully(front.get(), BytesOf(Header{1, kVersion, kMaxPayload + 1}), soon));
  }
  SECTION("another version") {
    REQUIRE_OK(WriteFully(front.get(), BytesOf(Header{1, 2, 0}), soon));
  }
  SECTION("an end within a message") {
    REQUIRE_OK(WriteFully(front.get(), BytesOf(Header{2, kVersion, 8}) + "x", soon));
    front.Reset();
  }
  CHECK_FALSE(ReceiveRequest(back.get(), soon).ok());
}

}  // namespace
}  // namespace ember::vhost_user
