#include <csignal>
#include <memory>

#include "base/status.h"
#include "base/status_macros.h"
#include "base/subprocess.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"

namespace ember::cli {
namespace {

struct Options {
  std::optional<absl::Duration> timeout = absl::Seconds(30);
};

// Takes hold of the daemon's process: the one that the kernel says listens on the socket, and that
// says the same of itself. The hold comes first, so that the pid can't have changed hands since.
absl::StatusOr<Process> HoldDaemon(Client& client) {
  const pid_t peer = client.peer_pid();
  auto identity = IdentifyProcess(peer);
  absl::StatusOr<Process> process =
      identity.ok() ? Process::Open(*identity) : absl::StatusOr<Process>(identity.status());
  ASSIGN_OR_RETURN(const v1::Host host, client.GetHost({.limit = absl::Seconds(10)}));
  if (!process.ok() || host.pid() != peer) {
    return WithHint(FailedPrecondition("the socket belongs to process {}, but the daemon's pid is "
                                       "{}: another program listens for it",
                                       peer, host.pid()),
                    "stop it where it was started, e.g. systemctl stop emberhostd");
  }
  return process;
}

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  ASSIGN_OR_RETURN(auto client, invocation.Connect());
  ASSIGN_OR_RETURN(Process process, HoldDaemon(*client));
  Progress progress(invocation.progress_style());
  progress.Step("stopping emberhostd");
  RETURN_IF_ERROR(process.Signal(SIGTERM));
  const Deadline deadline = Deadline::After(*options.timeout);
  while (!process.Ended()) {
    if (deadline.expired()) {
      return DeadlineExceeded("emberhostd (pid {}) has not ended", process.identity().pid);
    }
    RETURN_IF_ERROR(client->CheckInterrupted());
    progress.Tick();
    const Cancellation short_wait = Cancellation::After(absl::Milliseconds(100));
    (void)short_wait.WaitReadable(process.pidfd(), "emberhostd");  // the loop looks for itself
  }
  progress.Clear();
  invocation.Note(fmt::format("emberhostd (pid {}) has stopped", process.identity().pid));
  return kDone;
}

}  // namespace

Action DefineDaemonStop(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Duration("--timeout", options->timeout, "How long it may take (default 30)");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
