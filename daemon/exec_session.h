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

struct ExecCommand {
  std::string vm_name;  // for messages
  std::vector<std::string> argv;
  std::map<std::string, std::string> env;
  std::string cwd;
  std::string user;
  std::optional<TerminalSize> tty;
  std::string term;
  std::optional<absl::Duration> timeout;  // from the process's start; then its group is killed
};

// How a command ended: one of code and signal.
struct ExecResult {
  std::optional<int> code;
  std::optional<int> signal;
  bool timed_out = false;

  friend bool operator==(const ExecResult&, const ExecResult&) = default;
};

enum class OutputStream { kStdout, kStderr };

// One command in a VM, on a connection of its own. It is sent once: when the connection fails after
// that, the end is Unavailable with reason VM_WENT_AWAY, never a second try. Only dialling is
// repeated.
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
    // The process runs; so many bytes of input may be sent.
    virtual void Started(uint32_t pid, uint64_t stdin_credit) = 0;
    // Bytes that stay valid during the call. Answer with OutputTaken once they are on their way.
    virtual void Output(OutputStream stream, std::string_view bytes) = 0;
    // So many more bytes of input may be sent.
    virtual void InputCredit(uint64_t bytes) = 0;
    // The end, exactly once.
    virtual void Ended(absl::StatusOr<ExecResult> result) = 0;
  };

  static constexpr size_t kOutputWindow = 256 << 10;
  static constexpr size_t kMaxQueuedInput = 4 << 20;

  // Dials for at most `connect_timeout`, then starts the command. `client` is shared: the session
  // keeps it until Ended. Any thread; the session may be dropped on any thread, while `io` lives.
  static std::shared_ptr<ExecSession> Start(EventLoop& io,
                                            std::shared_ptr<hypervisor::Machine> machine,
                                            ExecCommand command, absl::Duration connect_timeout,
                                            std::shared_ptr<Client> client);

  // Input beyond the credit ends the session with ResourceExhausted, and so does a guest that gives
  // credit without taking what it gets. What comes before the process runs or after it ended is
  // dropped.
  void Input(std::string_view bytes);
  void InputEnd();
  void Resize(TerminalSize size);
  // `number` as in signal(7), to the process group.
  void Signal(uint32_t number);
  // The client is done with so many bytes of output.
  void OutputTaken(size_t bytes);
  // Ends the session: the agent hangs up on the process group. Ended gets Cancelled unless it came
  // already.
  void Cancel();

 private:
  ExecSession(EventLoop& io, std::shared_ptr<hypervisor::Machine> machine, ExecCommand command,
              std::shared_ptr<Client> client);
  void Dial(Deadline deadline);
  void OnDialled(absl::StatusOr<UniqueFd> fd, Deadline deadline);
  void SendStart();
  void OnFrame(const agent::v1::AgentFrame& frame) override;
  void OnClosed(absl::Status status) override;
  void OnStarted(const agent::v1::ExecStarted& started);
  void OnOutput(OutputStream stream, const std::string& bytes);
  void OnExited(const agent::v1::ExecExited& exited);
  void OnTimeout();
  void Finish(absl::StatusOr<ExecResult> result);

  EventLoop& io_;
  const std::shared_ptr<hypervisor::Machine>
      machine_;  // shared with the host: it may let go of it first
  const ExecCommand command_;
  std::shared_ptr<Client> client_;
  std::optional<AgentConnection> connection_;
  uint64_t input_credit_ = 0;
  size_t output_unacknowledged_ = 0;
  bool started_ = false;
  bool timed_out_ = false;
  bool ended_ = false;
  EventLoop::TimerId timer_ = 0;
};

}  // namespace ember::daemon
