#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <memory>

#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/subprocess.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/json.h"

namespace ember::cli {
namespace {

constexpr std::string_view kDaemon = "emberhostd";

struct Options {
  std::optional<absl::Duration> timeout = absl::Seconds(30);
  std::vector<std::string> daemon_arguments;
};

// The daemon of this very installation first: next to this program, else in PATH.
absl::StatusOr<std::filesystem::path> FindDaemonProgram() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto sibling = self.parent_path() / kDaemon;
  if (!error && ::access(sibling.c_str(), X_OK) == 0) return sibling;
  if (const auto found = FindProgram(kDaemon); found.has_value()) return *found;
  return WithHint(NotFound("{} is neither next to ember nor in PATH", kDaemon),
                  "install the ember package, or add its directory to PATH");
}

absl::StatusOr<UniqueFd> OpenLog(const std::filesystem::path& path) {
  RETURN_IF_ERROR(MakeDirectories(path.parent_path(), 0700));
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!fd.valid()) return ErrnoStatus(errno, path.string());
  return fd;
}

// The last line of what the daemon logged since `start`, for the error of a daemon that ended.
std::string LastLine(const std::filesystem::path& log, size_t start) {
  std::string text = ReadFile(log).value_or("");
  text.erase(0, std::min(start, text.size()));
  while (text.ends_with('\n')) text.pop_back();
  const size_t end = text.rfind('\n');
  return end == std::string::npos ? text : text.substr(end + 1);
}

struct Started {
  Process process;
  std::filesystem::path log;
  size_t log_start;  // where this daemon's part of the log begins
};

absl::StatusOr<Started> StartDaemon(const HostAddress& address, const Options& options) {
  ASSIGN_OR_RETURN(const auto program, FindDaemonProgram());
  const auto log_path = address.state_dir / "emberhostd.log";
  ASSIGN_OR_RETURN(const UniqueFd log, OpenLog(log_path));
  SpawnOptions spawn;
  spawn.argv = {program.string(), "--state-dir", address.state_dir.string(), "--listen",
                "unix:" + address.socket.string()};
  spawn.argv.insert(spawn.argv.end(), options.daemon_arguments.begin(),
                    options.daemon_arguments.end());
  spawn.cwd = "/";
  spawn.stdout_fd = log.get();
  spawn.stderr_fd = log.get();
  spawn.session = SessionMode::kOwn;
  const auto size = ::lseek(log.get(), 0, SEEK_END);
  ASSIGN_OR_RETURN(Process process, Spawn(spawn));
  return Started{std::move(process), log_path, static_cast<size_t>(std::max<off_t>(size, 0))};
}

// What is wrong with a daemon that is not up yet, or nothing while there is hope.
absl::Status CheckStarting(Started& started, Deadline deadline) {
  const std::string hint = fmt::format("its log is {}", started.log.string());
  if (const auto exit = started.process.TryWait(); exit.has_value()) {
    return WithHint(Internal("{} ended at once: {}: {}", kDaemon, exit->Describe(),
                             LastLine(started.log, started.log_start)),
                    hint);
  }
  if (!deadline.expired()) return absl::OkStatus();
  return WithHint(
      DeadlineExceeded("{} (pid {}) does not answer yet", kDaemon, started.process.identity().pid),
      hint);
}

// Asks until it answers. A start that fails or is interrupted leaves no daemon behind.
absl::StatusOr<v1::Host> AwaitAnswer(Started& started, const Invocation& invocation,
                                     SignalQueue& signals, Deadline deadline, Progress& progress) {
  while (true) {
    if (auto client = invocation.Connect(); client.ok()) {
      auto host = (*client)->GetHost({.limit = deadline.Remaining(), .progress = &progress});
      if (host.ok() || ReasonOf(host.status()) == kReasonInterrupted) return host;
    }
    RETURN_IF_ERROR(CheckStarting(started, deadline));
    if (signals.Next().has_value()) {
      return WithReason(Cancelled("interrupted"), kReasonInterrupted);
    }
    progress.Tick();
    const Cancellation wait{{}, deadline};
    (void)wait.Pause(absl::Milliseconds(10), kDaemon);  // the loop looks at the deadline itself
  }
}

absl::StatusOr<int> Report(const v1::Host& host, std::string_view note, Invocation& invocation) {
  invocation.Note(
      fmt::format("{} {} (pid {}) at {}", kDaemon, note, host.pid(), host.socket_path()));
  if (invocation.format() == Format::kJson) invocation.Print(JsonText(host));
  return kDone;
}

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  ASSIGN_OR_RETURN(const HostAddress address, invocation.Address());
  ASSIGN_OR_RETURN(SignalQueue signals, SignalQueue::Create({SIGINT}));
  if (auto client = invocation.Connect(); client.ok()) {
    ASSIGN_OR_RETURN(const v1::Host host, (*client)->GetHost({.limit = absl::Seconds(10)}));
    return Report(host, "is running already", invocation);
  } else if (ReasonOf(client.status()) != kReasonUnreachable) {
    return client.status();
  }
  const Deadline deadline = Deadline::After(*options.timeout);
  ASSIGN_OR_RETURN(Started started, StartDaemon(address, options));
  Progress progress(invocation.progress_style());
  progress.Step("starting emberhostd");
  const auto host = AwaitAnswer(started, invocation, signals, deadline, progress);
  progress.Clear();
  if (!host.ok()) {
    (void)started.process.Signal(SIGTERM);  // it may have ended by itself
    return host.status();
  }
  // Somebody else may have started one at the same time; ours has then given way.
  const bool ours = host->pid() == started.process.identity().pid;
  return Report(*host, ours ? "has started" : "is running already", invocation);
}

}  // namespace

Action DefineDaemonStart(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Duration("--timeout", options->timeout, "How long it may take (default 30)");
  arguments.Rest("OPTION…", options->daemon_arguments, "Passed on to emberhostd", Need::kOptional);
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
