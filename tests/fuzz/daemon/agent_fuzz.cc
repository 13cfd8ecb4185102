#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/event_loop.h"
#include "daemon/exec_session.h"

// What a hostile agent may send on a session of the daemon, whatever was asked: the session ends
// once, says nothing after it, and never lets more wait than its window. The first byte says what
// is asked.
namespace {

using ember::daemon::ExecResult;
using ember::daemon::ExecSession;

// A machine whose agent has said all that it will say.
class FuzzMachine : public ember::hypervisor::Machine {
 public:
  explicit FuzzMachine(ember::UniqueFd agent) : agent_(std::move(agent)) {}

  const ember::hypervisor::MachineHandle& handle() const override { return handle_; }
  void Dial(uint32_t, absl::Duration, ember::Reply<ember::UniqueFd> reply) override {
    reply(std::move(agent_));
  }
  absl::Status Stop(ember::hypervisor::PowerOff, const ember::Cancellation&) override {
    return absl::OkStatus();
  }
  absl::StatusOr<ember::hypervisor::ExitReport> WaitForExit(const ember::Cancellation&) override {
    return ember::hypervisor::ExitReport{};
  }
  absl::Status Pause(const ember::Cancellation&) override { return absl::OkStatus(); }
  absl::Status Resume(const ember::Cancellation&) override { return absl::OkStatus(); }
  absl::Status SwitchDisk(const ember::hypervisor::DiskSpec&, const ember::Cancellation&) override {
    return absl::OkStatus();
  }
  absl::StatusOr<std::filesystem::path> ActiveDisk(const ember::Cancellation&) override {
    return std::filesystem::path();
  }
  absl::Status ResizeDisk(size_t, uint64_t, const ember::Cancellation&) override {
    return absl::OkStatus();
  }
  void OnExit(std::function<void(ember::hypervisor::ExitReport)>) override {}

 private:
  ember::hypervisor::MachineHandle handle_;
  ember::UniqueFd agent_;
};

class FuzzClient : public ExecSession::Client {
 public:
  explicit FuzzClient(ember::EventLoop& io) : io_(io) {}
  void Use(std::shared_ptr<ExecSession> session) { session_ = std::move(session); }
  bool ended() const { return ended_; }

  void Started(const ember::daemon::StartedProcess&) override { EMBER_CHECK(!ended_); }
  void Output(ember::daemon::OutputStream, std::string_view bytes) override { Take(bytes.size()); }
  void Lost(uint64_t) override { Take(ExecSession::kNoticeCost); }
  void InputCredit(uint64_t) override { Take(ExecSession::kNoticeCost); }
  void Ended(absl::StatusOr<ExecResult>) override {
    EMBER_CHECK(!std::exchange(ended_, true));
    session_.reset();
    io_.Stop();
  }

 private:
  // Taken later, as gRPC does.
  void Take(size_t bytes) {
    EMBER_CHECK(!ended_);
    waiting_ += bytes;
    EMBER_CHECK(waiting_ < ExecSession::kOutputWindow + ember::kMaxFrame);
    io_.Post([this, bytes] {
      waiting_ -= bytes;
      if (session_ != nullptr) session_->OutputTaken(bytes);
    });
  }

  ember::EventLoop& io_;
  std::shared_ptr<ExecSession> session_;
  size_t waiting_ = 0;
  bool ended_ = false;
};

std::shared_ptr<ExecSession> Ask(uint8_t what, ember::EventLoop& io,
                                 std::shared_ptr<FuzzMachine> machine,
                                 std::shared_ptr<FuzzClient> client) {
  constexpr absl::Duration kLimit = absl::Seconds(1);
  if (what % 3 == 2) {
    ember::daemon::FollowRequest follow;
    follow.tag = "job";
    follow.attach = true;
    return ExecSession::Follow(io, std::move(machine), follow, kLimit, std::move(client));
  }
  ember::daemon::ExecCommand command;
  command.argv = {"true"};
  if (what % 3 == 1) command.detach = "job";
  return ExecSession::Start(io, std::move(machine), command, kLimit, std::move(client));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  constexpr size_t kMost = 64 << 10;  // what the socket holds without a reader
  if (size == 0 || size > kMost) return 0;
  int fds[2];
  EMBER_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
  ember::UniqueFd agent(fds[1]);
  auto machine = std::make_shared<FuzzMachine>(ember::UniqueFd(fds[0]));
  EMBER_CHECK(write(agent.get(), bytes + 1, size - 1) == static_cast<ssize_t>(size - 1));
  shutdown(agent.get(), SHUT_WR);

  auto io = ember::EventLoop::Create("fuzz");
  EMBER_CHECK(io.ok());
  auto client = std::make_shared<FuzzClient>(**io);
  client->Use(Ask(bytes[0], **io, std::move(machine), client));
  (*io)->Run();
  EMBER_CHECK(client->ended());
  return 0;
}
