#include "daemon/vsock_bridge.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "base/byte_pump.h"
#include "base/socket.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "daemon/agent_call.h"

namespace ember::daemon {
namespace {

constexpr absl::Duration kHandshakeLimit = absl::Seconds(10);
constexpr absl::Duration kDialAttempt = absl::Seconds(2);
constexpr absl::Duration kDialPause = absl::Milliseconds(50);
constexpr size_t kMaxConnectLine = 32;
// Host port numbers of the convention start here; they only have to differ from guest ports in a
// log.
constexpr uint32_t kFirstHostPort = uint32_t{1} << 30;

// The port of a whole `CONNECT <port>\n` line, or nothing.
std::optional<uint32_t> ParseConnect(std::string_view line) {
  constexpr std::string_view kKeyword = "CONNECT ";
  if (!line.starts_with(kKeyword)) return std::nullopt;
  line.remove_prefix(kKeyword.size());
  line.remove_suffix(1);
  uint32_t port = 0;
  const auto parsed = std::from_chars(line.data(), line.data() + line.size(), port);
  if (parsed.ec != std::errc() || parsed.ptr != line.data() + line.size()) return std::nullopt;
  return port;
}

}  // namespace

struct VsockBridge::Shared {
  EventLoop& io;
  Log log;
  std::filesystem::path path;
  uid_t owner;
  std::shared_ptr<hypervisor::Machine> machine;
  UniqueFd listener;
  std::map<BridgeClient*, std::shared_ptr<BridgeClient>> clients;
  uint32_t next_host_port = kFirstHostPort;
  bool closed = false;
};

// One connection to the bridge, from accept to its end. Lives on `io`; the bridge holds it.
class BridgeClient : public std::enable_shared_from_this<BridgeClient> {
 public:
  BridgeClient(std::shared_ptr<VsockBridge::Shared> bridge, UniqueFd fd)
      : bridge_(std::move(bridge)), fd_(std::move(fd)) {}

  void Start() {
    auto self = shared_from_this();
    timer_ = bridge_->io.RunAfter(kHandshakeLimit, [self] { self->End(); });
    if (!bridge_->io.Watch(fd_.get(), EPOLLIN, [this](uint32_t) { OnReadable(); }).ok()) End();
  }

  void Abort() {
    if (auto pump = pump_.lock(); pump != nullptr) {
      pump->Abort();
    } else {
      End();
    }
  }

 private:
  // Looks at what came without taking more than the handshake: the rest belongs to the guest.
  void OnReadable() {
    std::array<char, kMaxConnectLine> bytes;
    const ssize_t peeked = recv(fd_.get(), bytes.data(), kMaxConnectLine - line_.size(), MSG_PEEK);
    if (peeked < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (peeked <= 0) return End();
    const std::string_view seen(bytes.data(), static_cast<size_t>(peeked));
    if (line_.empty() && seen[0] != 'C') return Dial(kJsonPort, false);
    // Half a line is taken too: left in the socket it would wake the loop again and again.
    const std::string_view part = seen.substr(0, seen.find('\n') + 1);
    line_ += part.empty() ? seen : part;
    recv(fd_.get(), bytes.data(), part.empty() ? seen.size() : part.size(), 0);
    if (!line_.ends_with('\n')) {
      if (line_.size() == kMaxConnectLine) End();
      return;
    }
    const std::optional<uint32_t> port = ParseConnect(line_);
    if (!port.has_value()) return End();
    Dial(*port, true);
  }

  void Dial(uint32_t port, bool handshake) {
    port_ = port;
    handshake_ = handshake;
    // The client may hang up while we dial; that shows when the pump starts.
    bridge_->io.Forget(fd_.get());
    bridge_->io.CancelTimer(timer_);
    deadline_ = Deadline::After(VsockBridge::kDialLimit);
    DialOnce();
  }

  void DialOnce() {
    if (!fd_.valid()) return;
    bridge_->machine->Dial(
        port_, kDialAttempt,
        Reply<UniqueFd>([self = shared_from_this()](absl::StatusOr<UniqueFd> guest) {
          self->OnDialled(std::move(guest));
        }));
  }

  void OnDialled(absl::StatusOr<UniqueFd> guest) {
    if (!fd_.valid()) return;
    if (!guest.ok()) {
      if (deadline_.expired()) return End();
      timer_ = bridge_->io.RunAfter(kDialPause, [self = shared_from_this()] { self->DialOnce(); });
      return;
    }
    BytePump::Sides sides;
    if (handshake_ && !Greet()) return End();
    sides.left = std::move(fd_);
    sides.right = *std::move(guest);
    pump_ = BytePump::Start(bridge_->io, std::move(sides),
                            [self = shared_from_this()] { self->End(); });
  }

  bool Greet() {
    const std::string line = fmt::format("OK {}\n", bridge_->next_host_port++);
    // Nothing was sent to this client before, so the socket's buffer has room for a line.
    return send(fd_.get(), line.data(), line.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(line.size());
  }

  void End() {
    bridge_->io.CancelTimer(timer_);
    if (fd_.valid()) {
      bridge_->io.Forget(fd_.get());
      fd_.Reset();
    }
    const auto self = shared_from_this();
    bridge_->clients.erase(this);
  }

  const std::shared_ptr<VsockBridge::Shared> bridge_;
  UniqueFd fd_;
  std::string line_;  // of the handshake, as far as it came
  uint32_t port_ = 0;
  bool handshake_ = false;
  Deadline deadline_;
  EventLoop::TimerId timer_ = 0;
  BytePump::Handle pump_;
};

namespace {

bool MayConnect(int fd, uid_t owner) {
  auto peer = PeerOf(fd);
  return peer.ok() && (peer->uid == owner || peer->uid == 0 || peer->uid == geteuid());
}

}  // namespace

absl::StatusOr<std::unique_ptr<VsockBridge>> VsockBridge::Open(
    EventLoop& io, const Log& log, std::filesystem::path path, uid_t owner,
    std::shared_ptr<hypervisor::Machine> machine) {
  ASSIGN_OR_RETURN(UniqueFd listener, ListenUnix(path, 0600));
  if (owner != geteuid() && chown(path.c_str(), owner, static_cast<gid_t>(-1)) != 0) {
    const absl::Status status = ErrnoStatus(errno, fmt::format("chown {}", path.native()));
    unlink(path.c_str());
    return status;
  }
  std::shared_ptr<Shared> shared(
      new Shared{io, log, std::move(path), owner, std::move(machine), std::move(listener), {}});
  io.Post([shared] {
    if (shared->closed) return;
    const auto accept = [raw = shared.get(), weak = std::weak_ptr<Shared>(shared)](uint32_t) {
      auto fd = AcceptUnix(raw->listener.get());
      if (!fd.ok() || !fd->valid()) return;
      const bool welcome = MayConnect(fd->get(), raw->owner) && raw->clients.size() < kMaxClients;
      if (!welcome) return;
      auto client = std::make_shared<BridgeClient>(weak.lock(), *std::move(fd));
      raw->clients.emplace(client.get(), client);
      client->Start();
    };
    if (absl::Status watched = shared->io.Watch(shared->listener.get(), EPOLLIN, accept);
        !watched.ok()) {
      shared->log.Error(
          "the vsock bridge can't accept connections",
          {{"path", shared->path.native()}, {"cause", std::string(Message(watched))}});
    }
  });
  return std::unique_ptr<VsockBridge>(new VsockBridge(std::move(shared)));
}

VsockBridge::VsockBridge(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}

VsockBridge::~VsockBridge() {
  // The file goes first: whoever connects from now on is told at once that nobody is there.
  unlink(shared_->path.c_str());
  shared_->io.Post([shared = shared_] {
    shared->closed = true;
    shared->io.Forget(shared->listener.get());
    shared->listener.Reset();
    const auto clients = shared->clients;
    for (const auto& [raw, client] : clients) client->Abort();
  });
}

}  // namespace ember::daemon
