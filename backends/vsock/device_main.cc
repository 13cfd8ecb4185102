// ember-vsock-device: opens what the command line names, gives up what it doesn't need, and becomes
// the keeper.

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "backends/vsock/keeper.h"
#include "backends/vsock/options.h"
#include "backends/vsock/seccomp.h"
#include "base/socket.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::vsock {
namespace {

constexpr int kFailed = 1;
constexpr int kUsageError = 2;
// Each connection is a descriptor; some more for the rest.
constexpr rlim_t kDescriptors = kMaxConnections + 256;

enum class SocketKind { kConnected, kListening };

// Takes over a descriptor that we were started with.
absl::StatusOr<UniqueFd> AdoptSocket(int fd, SocketKind kind) {
  int listening = 0;
  socklen_t size = sizeof(listening);
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0) {
    return ErrnoStatus(errno, fmt::format("descriptor {}", fd));
  }
  if ((listening != 0) != (kind == SocketKind::kListening)) {
    return InvalidArgument("descriptor {}: not a {} socket", fd,
                           kind == SocketKind::kListening ? "listening" : "connected");
  }
  RETURN_IF_ERROR(SetNonBlocking(fd));
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  return UniqueFd(fd);
}

// The socket files that are ours to remove.
class SocketFiles {
 public:
  SocketFiles() = default;
  SocketFiles(const SocketFiles&) = delete;
  SocketFiles& operator=(const SocketFiles&) = delete;
  ~SocketFiles() {
    for (const std::string& path : paths_) unlink(path.c_str());
  }

  absl::StatusOr<UniqueFd> Listen(const std::string& path) {
    ASSIGN_OR_RETURN(UniqueFd socket, ListenUnix(path, 0600));
    paths_.push_back(path);
    return socket;
  }

 private:
  std::vector<std::string> paths_;
};

absl::StatusOr<UniqueFd> WatchSignals() {
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  sigprocmask(SIG_BLOCK, &ending, nullptr);
  UniqueFd signals(signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals.valid()) return ErrnoStatus(errno, "signalfd");
  return signals;
}

absl::StatusOr<Keeper::Sockets> OpenSockets(const DeviceOptions& options, SocketFiles& files) {
  Keeper::Sockets sockets;
  if (options.listen_fd.has_value()) {
    ASSIGN_OR_RETURN(sockets.clients, AdoptSocket(*options.listen_fd, SocketKind::kListening));
  } else {
    ASSIGN_OR_RETURN(sockets.clients, files.Listen(options.uds_path));
  }
  if (options.vhost_fd.has_value()) {
    ASSIGN_OR_RETURN(sockets.vhost, AdoptSocket(*options.vhost_fd, SocketKind::kConnected));
  } else {
    ASSIGN_OR_RETURN(sockets.vhost_listener, files.Listen(options.vhost_socket));
  }
  ASSIGN_OR_RETURN(sockets.signals, WatchSignals());
  return sockets;
}

void RaiseDescriptorLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kDescriptors) return;
  limit.rlim_cur = limit.rlim_max < kDescriptors ? limit.rlim_max : kDescriptors;
  // With fewer descriptors there are fewer connections.
  setrlimit(RLIMIT_NOFILE, &limit);
}

absl::Status RunDevice(const DeviceOptions& options, const Log& log) {
  SocketFiles files;
  ASSIGN_OR_RETURN(Keeper::Sockets sockets, OpenSockets(options, files));
  RaiseDescriptorLimit();
  Muxer::Options muxer;
  muxer.guest_cid = options.guest_cid;
  muxer.forward_prefix = options.forward_prefix;
  ASSIGN_OR_RETURN(Keeper keeper, Keeper::Create(std::move(sockets), std::move(muxer), log));
  RETURN_IF_ERROR(KeeperFilter().Install());
  return keeper.Run();
}

int Main(const std::vector<std::string_view>& arguments) {
  const absl::StatusOr<DeviceOptions> options = ParseDeviceOptions(arguments);
  if (!options.ok()) {
    std::fprintf(stderr, "error: %s\nhint: ember-vsock-device --help\n",
                 std::string(Message(options.status())).c_str());
    return kUsageError;
  }
  if (options->action == DeviceOptions::Action::kHelp) {
    std::fputs(std::string(DeviceUsage()).c_str(), stdout);
    return 0;
  }
  if (options->action == DeviceOptions::Action::kVersion) {
    std::puts("ember-vsock-device " EMBER_VERSION);
    return 0;
  }
  // Whoever reads our log may end before us.
  signal(SIGPIPE, SIG_IGN);
  const Log log = Log::ToStderr(options->log_level);
  const absl::Status status = RunDevice(*options, log);
  if (status.ok()) return 0;
  log.Error("device failed", {{"reason", std::string(Message(status))}});
  return kFailed;
}

}  // namespace
}  // namespace ember::vsock

int main(int argc, char** argv) {
  return ember::vsock::Main(std::vector<std::string_view>(argv + 1, argv + argc));
}
