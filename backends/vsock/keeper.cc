#include "backends/vsock/keeper.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include "backends/vsock/seccomp.h"
#include "backends/vsock/vhost_user/message.h"
#include "backends/vsock/worker.h"
#include "base/event_loop.h"
#include "base/socket.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::vsock {
namespace {

using vhost_user::Request;
using vhost_user::RequestMessage;

// How long a worker may take for a request, and QEMU to finish one that it has begun.
constexpr absl::Duration kAnswerDeadline = absl::Seconds(5);
// A worker that dies so young so often will die again: the next ones come at a slower pace.
constexpr std::chrono::milliseconds kShortLife{10};
constexpr int kShortLives = 10;
constexpr std::chrono::seconds kPace{1};

// The configuration space of the device (virtio 1.2, section 5.10.4): the guest's CID.
std::string ConfigSpace(uint64_t guest_cid) { return vhost_user::BytesOf(guest_cid); }

// Whether the answer is the same for ever, so that the worker need not know of the question.
bool IsQuestion(Request request) {
  return request == Request::kGetFeatures || request == Request::kGetProtocolFeatures ||
         request == Request::kGetQueueNum || request == Request::kGetConfig;
}

std::string DescribeEnd(int status) {
  if (WIFSIGNALED(status)) return fmt::format("signal {}", WTERMSIG(status));
  return fmt::format("exit code {}", WEXITSTATUS(status));
}

}  // namespace

absl::StatusOr<Keeper> Keeper::Create(Sockets sockets, Muxer::Options options, Log log) {
  ASSIGN_OR_RETURN(ConnectionTable table, ConnectionTable::Create());
  return Keeper(std::move(sockets), std::move(options), std::move(table), std::move(log));
}

Keeper::Keeper(Sockets sockets, Muxer::Options options, ConnectionTable table, Log log)
    : sockets_(std::move(sockets)),
      options_(std::move(options)),
      table_(std::move(table)),
      log_(std::move(log)),
      server_(std::make_unique<vhost_user::Server>(ConfigSpace(options_.guest_cid))) {}

Keeper::~Keeper() { EndWorker(); }

absl::Status Keeper::Run() {
  RETURN_IF_ERROR(StartWorker());
  while (true) {
    ASSIGN_OR_RETURN(const bool go_on, Turn());
    if (!go_on) return absl::OkStatus();
  }
}

// Waits for one thing to happen and sees to it; false when the work is over.
absl::StatusOr<bool> Keeper::Turn() {
  const int front_end =
      sockets_.vhost.valid() ? sockets_.vhost.get() : sockets_.vhost_listener.get();
  std::array<pollfd, 3> fds = {pollfd{front_end, POLLIN, 0},
                               pollfd{sockets_.signals.get(), POLLIN, 0},
                               pollfd{worker_.control.get(), POLLIN, 0}};
  if (poll(fds.data(), fds.size(), PauseLeftMs()) < 0 && errno != EINTR) {
    return ErrnoStatus(errno, "poll");
  }
  if (fds[1].revents != 0) return false;
  if (fds[2].revents != 0) WorkerEnded();
  if (fds[0].revents != 0) {
    bool closed = false;
    RETURN_IF_ERROR(OnFrontEnd(closed));
    if (closed) return false;
  }
  if (worker_.pid < 0 && Clock::now() >= next_start_) RETURN_IF_ERROR(StartWorker());
  return true;
}

int Keeper::PauseLeftMs() const {
  if (worker_.pid >= 0) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_start_ - Clock::now());
  return static_cast<int>(std::max<int64_t>(left.count(), 0));
}

absl::Status Keeper::OnFrontEnd(bool& closed) {
  if (!sockets_.vhost.valid()) {
    ASSIGN_OR_RETURN(sockets_.vhost, AcceptUnix(sockets_.vhost_listener.get()));
    if (sockets_.vhost.valid()) sockets_.vhost_listener.Reset();
    return absl::OkStatus();
  }
  const Cancellation soon = Cancellation::After(kAnswerDeadline);
  ASSIGN_OR_RETURN(std::optional<RequestMessage> message,
                   vhost_user::ReceiveRequest(sockets_.vhost.get(), soon));
  if (!message.has_value()) {
    closed = true;
    return absl::OkStatus();
  }
  const vhost_user::Header header = message->header;
  std::optional<std::string> answer;
  if (!IsQuestion(message->request())) answer = AskWorker(*message);
  ASSIGN_OR_RETURN(std::optional<std::string> reply, server_->Handle(*std::move(message)));
  if (!reply.has_value()) return absl::OkStatus();
  // Where a ring has stopped the worker knows for certain.
  if (answer.has_value() && answer->size() == reply->size()) reply = std::move(answer);
  return vhost_user::SendReply(sockets_.vhost.get(), header, *reply, soon);
}

std::optional<std::string> Keeper::AskWorker(const RequestMessage& message) {
  if (worker_.pid < 0) return std::nullopt;
  const Cancellation soon = Cancellation::After(kAnswerDeadline);
  absl::Status status = vhost_user::SendRequest(worker_.control.get(), message, soon);
  if (status.ok()) {
    absl::StatusOr<std::string> answer =
        vhost_user::ReceiveReply(worker_.control.get(), message.header, soon);
    if (answer.ok()) return *std::move(answer);
    status = answer.status();
  }
  log_.Warn("worker did not answer", {{"reason", std::string(Message(status))}});
  WorkerEnded();
  return std::nullopt;
}

absl::Status Keeper::StartWorker() {
  ASSIGN_OR_RETURN(auto pair, SocketPair());
  const pid_t keeper = getpid();
  const pid_t pid = fork();
  if (pid < 0) return ErrnoStatus(errno, "fork");
  if (pid == 0) {
    pair.first.Reset();
    BeWorker(std::move(pair.second), keeper);
  }
  worker_.pid = pid;
  worker_.control = std::move(pair.first);
  worker_.started = Clock::now();
  return absl::OkStatus();
}

void Keeper::WorkerEnded() {
  const bool short_life = Clock::now() - worker_.started < kShortLife;
  kill(worker_.pid, SIGKILL);
  int status = 0;
  while (waitpid(worker_.pid, &status, 0) < 0 && errno == EINTR) {
  }
  log_.Warn("worker ended, starting another",
            {{"pid", std::to_string(worker_.pid)}, {"end", DescribeEnd(status)}});
  worker_ = {};
  short_lives_ = short_life ? short_lives_ + 1 : 0;
  if (short_lives_ >= kShortLives) next_start_ = Clock::now() + kPace;
}

void Keeper::EndWorker() {
  if (worker_.pid < 0) return;
  kill(worker_.pid, SIGKILL);
  while (waitpid(worker_.pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  worker_ = {};
}

// In the child: keeps only what a worker needs. Never returns, so that nothing of the keeper's is
// undone here.
void Keeper::BeWorker(UniqueFd control, pid_t keeper) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_NAME, "ember-vsock-wrk");
  if (getppid() != keeper) _exit(1);  // it died before we asked to die with it
  worker_.pid = -1;
  sockets_.vhost.Reset();
  sockets_.vhost_listener.Reset();
  const absl::Status status = RunWorker(std::move(control));
  if (!status.ok()) log_.Error("worker failed", {{"reason", std::string(Message(status))}});
  _exit(status.ok() ? 0 : 1);
}

absl::Status Keeper::RunWorker(UniqueFd control) {
  ASSIGN_OR_RETURN(const std::unique_ptr<EventLoop> loop, EventLoop::Create("worker"));
  RETURN_IF_ERROR(WorkerFilter().Install());
  Worker worker({*loop, *server_, table_, sockets_.clients.get()}, std::move(control), options_,
                log_);
  RETURN_IF_ERROR(worker.Start());
  loop->Run();
  return worker.ended();
}

}  // namespace ember::vsock
