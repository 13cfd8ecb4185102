#include <unistd.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/inet_socket.h"
#include "base/socket.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/stream_listener.h"
#include "guest-agent/session_task.h"
#include "guest-agent/stream_address.h"

namespace ember::agent {
namespace {

// Connections that may wait to be fetched; others wait in the backlog.
constexpr size_t kMostWaiting = 128;
// Incoming frames that may wait for a client that does not read, in bytes.
constexpr size_t kMostPending = size_t{64} << 10;
// Who may connect: root, as whom the agent runs.
constexpr mode_t kSocketMode = 0600;

// A listening socket in the guest, as long as its session. Each connection to it is told by its
// token and waits for a session that accepts it.
class ListenTask : public SessionTask {
 public:
  ListenTask(const Context& context, ClientLink& link) : context_(context), link_(link) {}

  ~ListenTask() override {
    listeners_.clear();
    if (!path_.empty()) unlink(path_.c_str());
    for (const uint64_t token : waiting_) context_.arrivals.Drop(token);
  }

  absl::Status Start(const StreamAddress& address) {
    v1::AgentFrame frame;
    v1::Listening& listening = *frame.mutable_listening();
    if (address.unix_path.empty()) {
      ASSIGN_OR_RETURN(const uint16_t port, ListenOnLoopback(address.port));
      listening.set_tcp_port(port);
    } else {
      ASSIGN_OR_RETURN(UniqueFd socket, ListenUnix(address.unix_path, kSocketMode));
      path_ = address.unix_path;
      RETURN_IF_ERROR(Serve(std::move(socket)));
    }
    link_.Send(frame);
    return absl::OkStatus();
  }

  absl::Status OnFrame(const v1::ClientFrame&) override {
    return InvalidArgument("a listening session takes no frames");
  }

  void OnSent() override { HoldOrProceed(); }

 private:
  absl::StatusOr<uint16_t> ListenOnLoopback(uint16_t wanted) {
    ASSIGN_OR_RETURN(UniqueFd v4, ListenTcp("127.0.0.1", wanted));
    ASSIGN_OR_RETURN(const uint16_t port, LocalPortOf(v4.get()));
    RETURN_IF_ERROR(Serve(std::move(v4)));
    auto v6 = ListenTcp("::1", port);
    if (v6.ok()) {
      RETURN_IF_ERROR(Serve(*std::move(v6)));
    } else if (absl::IsAlreadyExists(v6.status())) {
      return v6.status();
    }  // else the guest has no IPv6
    return port;
  }

  absl::Status Serve(UniqueFd socket) {
    ASSIGN_OR_RETURN(auto listener,
                     StreamListener::Start(context_.loop, std::move(socket),
                                           [this](UniqueFd fd) { OnConnection(std::move(fd)); }));
    listeners_.push_back(std::move(listener));
    return absl::OkStatus();
  }

  void OnConnection(UniqueFd connection) {
    const auto token = context_.arrivals.Add(std::move(connection), [this](uint64_t left) {
      waiting_.erase(left);
      HoldOrProceed();
    });
    if (!token.ok()) return;  // it was closed by that
    waiting_.insert(*token);
    v1::AgentFrame frame;
    frame.mutable_incoming()->set_token(*token);
    link_.Send(frame);
    HoldOrProceed();
  }

  void HoldOrProceed() {
    const bool hold = waiting_.size() >= kMostWaiting || link_.pending() >= kMostPending;
    if (std::exchange(held_, hold) == hold) return;
    for (const auto& listener : listeners_) hold ? listener->Hold() : listener->Proceed();
  }

  const Context& context_;
  ClientLink& link_;
  std::vector<std::unique_ptr<StreamListener>> listeners_;
  std::string path_;            // of a socket's file that is ours
  std::set<uint64_t> waiting_;  // tokens
  bool held_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<SessionTask>> StartListenTask(const Context& context,
                                                             const v1::ClientFrame& request,
                                                             ClientLink& link) {
  ASSIGN_OR_RETURN(const StreamAddress address, AddressOf(request.listen().address(), 0));
  auto task = std::make_unique<ListenTask>(context, link);
  RETURN_IF_ERROR(task->Start(address));
  return task;
}

}  // namespace ember::agent
