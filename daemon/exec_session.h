#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/hypervisor/backend.h"
#include "base/cancellation.h"
#include "base/event_loop.h"
#include "daemon/agent_connection.h"

namespace ember::daemon {

struct TerminalSize {
  uint32_t rows = 24;
  uint32_t columns = 80;
};

// One of setrlimit(2)'s limits: "nofile", "core", ... The largest number is infinity.
struct ResourceLimit {
  std::string name;
  uint64_t soft = 0;
  uint64_t hard = 0;
};

struct ExecCommand {
  std::string vm_name;  // for messages
  std::vector<std::string> argv;
  std::map<std::string, std::string> env;
  std::string cwd;
  std::string user;
  std::optional<TerminalSize> tty;
  std::string term;
  std::optional<absl::Duration> timeout;  // from the process's start; then its group is killed
  std::optional<uint32_t> umask;
  std::vector<ResourceLimit> limits;
  // The tag of a process that outlives the session, which ends with its start; empty: the agent
  // makes one up.
  std::optional<std::string> detach;
};

// What a detached process has written and writes.
struct FollowRequest {
  std::string vm_name;
  std::string tag;
  bool follow = false;      // up to its end; otherwise what is kept
  bool attach = false;      // follow, and send it input, signals and its terminal's size
  uint64_t tail_bytes = 0;  // of what is kept, the last so many bytes; 0: all
  std::optional<TerminalSize> tty;
};

// How a command ended: one of code and signal; neither when it goes on without the session.
struct ExecResult {
  std::optional<int> code;
  std::optional<int> signal;
  bool timed_out = false;

  friend bool operator==(const ExecResult&, const ExecResult&) = default;
};

// What is known of a process that runs.
struct StartedProcess {
  uint32_t pid = 0;
  uint64_t stdin_credit = 0;  // bytes of input that may be sent
  std::string tag;            // of a detached one that was started
  bool tty = false;           // of one that is followed
};

enum class OutputStream { kStdout, kStderr };

// One command in a VM, or one look at a detached one, on a connection of its own. It is sent once:
// when the connection fails after that, the end is Unavailable with reason VM_WENT_AWAY, never a
// second try. Only dialling is repeated. What an agent may be too old for is sent only after it has
// said that it can do it: otherwise FailedPrecondition with reason AGENT_TOO_OLD.
//
// Memory is bounded: once kOutputWindow bytes of output are with the client unacknowledged the
// agent is held back, and at most kMaxQueuedInput bytes of input wait for the agent. Lives on `io`,
// apart from Start; the caller and its own timers share it.
class ExecSession : public AgentConnection::Handler,
                    public std::enable_shared_from_this<ExecSession> {
 public:
  // The one who asked. Called on `io`; must not block. Nothing is called after Ended.
  class Client {
   public:
    virtual ~Client() = default;
    // The process runs.
    virtual void Started(const StartedProcess& process) = 0;
    // Bytes that stay valid during the call. Answer with OutputTaken once they are on their way.
    virtual void Output(OutputStream stream, std::string_view bytes) = 0;
    // So many bytes of output are missing here; only of a process that is followed. Answer with
    // OutputTaken(kNoticeCost).
    virtual void Lost(uint64_t bytes) = 0;
    // So many more bytes of input may be sent. Answer with OutputTaken(kNoticeCost).
    virtual void InputCredit(uint64_t bytes) = 0;
    // The end, exactly once.
    virtual void Ended(absl::StatusOr<ExecResult> result) = 0;
  };

  static constexpr size_t kOutputWindow = 256 << 10;
  // What Lost and InputCredit count as: an agent that says nothing else must not fill the client's
  // memory either.
  static constexpr size_t kNoticeCost = 64;
  static constexpr size_t kMaxQueuedInput = 4 << 20;

  // Dials for at most `connect_timeout`, then starts the command. `client` is shared: the session
  // keeps it until Ended. Any thread; the session may be dropped on any thread, while `io` lives.
  static std::shared_ptr<ExecSession> Start(EventLoop& io,
                                            std::shared_ptr<hypervisor::Machine> machine,
                                            const ExecCommand& command,
                                            absl::Duration connect_timeout,
                                            std::shared_ptr<Client> client);

  // The same for a detached process; its end is the end of what was asked for.
  static std::shared_ptr<ExecSession> Follow(EventLoop& io,
                                             std::shared_ptr<hypervisor::Machine> machine,
                                             const FollowRequest& request,
                                             absl::Duration connect_timeout,
                                             std::shared_ptr<Client> client);

  // Input beyond the credit ends the session with ResourceExhausted, and so does a guest that gives
  // credit without taking what it gets. What comes before the process runs or after it ended is
  // dropped.
  void Input(std::string_view bytes);
  // Also before the process runs.
  void InputEnd();
  void Resize(TerminalSize size);
  // `number` as in signal(7), to the process group.
  void Signal(uint32_t number);
  // The client is done with so many bytes of output.
  void OutputTaken(size_t bytes);
  // Ends the session: the agent hangs up on the process group, but for a detached one. Ended gets
  // Cancelled unless it came already.
  void Cancel();

 private:
  // What is asked of the agent.
  struct Request {
    std::string vm_name;
    agent::v1::ClientFrame frame;
    std::string capability;  // that it needs beyond what every agent can do
    std::optional<absl::Duration> timeout;
    bool takes_input = true;  // and signals, and sizes: what is only looked at does not
    std::string loss;         // what a lost connection may mean: "the command may have run"
  };

  ExecSession(EventLoop& io, std::shared_ptr<hypervisor::Machine> machine, Request request,
              std::shared_ptr<Client> client);
  static std::shared_ptr<ExecSession> Begin(EventLoop& io,
                                            std::shared_ptr<hypervisor::Machine> machine,
                                            Request request, absl::Duration connect_timeout,
                                            std::shared_ptr<Client> client);
  static Request RequestOf(const ExecCommand& command);
  static Request RequestOf(const FollowRequest& request);
  void Dial(Deadline deadline);
  void OnDialled(absl::StatusOr<UniqueFd> fd);
  void Greet();
  void OnHello(const agent::v1::HelloReply& reply);
  void SendRequest();
  void OnFrame(const agent::v1::AgentFrame& frame) override;
  void OnClosed(absl::Status status) override;
  void OnFailure(const agent::v1::Failure& failure);
  void OnStarted(StartedProcess process);
  void OnLost(uint64_t bytes);
  void OnBytes(size_t bytes);
  void OnOutput(OutputStream stream, const std::string& bytes);
  void OnExited(const agent::v1::ExecExited& exited);
  void OnTimeout();
  void Finish(absl::StatusOr<ExecResult> result);

  EventLoop& io_;
  const std::shared_ptr<hypervisor::Machine>
      machine_;  // shared with the host: it may let go of it first
  const Request request_;
  std::shared_ptr<Client> client_;
  std::optional<AgentConnection> connection_;
  uint64_t input_credit_ = 0;
  size_t output_unacknowledged_ = 0;
  bool sent_ = false;           // the request
  bool input_end_due_ = false;  // the client was faster than the connection
  bool started_ = false;
  bool timed_out_ = false;
  bool ended_ = false;
  EventLoop::TimerId timer_ = 0;
};

}  // namespace ember::daemon
