#include "base/subprocess.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/file.h"
#include "base/socket.h"
#include "base/status.h"
#include "base/status_macros.h"

extern char** environ;

namespace ember {
namespace {

constexpr size_t kMaxToolOutput = 1 << 20;

int PidfdOpen(pid_t pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }

std::vector<char*> Pointers(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Everything the child needs, made before fork: after it only async-signal-safe calls are allowed.
struct ChildPlan {
  std::string program;
  std::vector<char*> argv;
  std::vector<char*> env;
  const char* cwd;
  std::array<int, 3> standard;
  std::vector<std::pair<int, int>> pass_fds;
  int first_free;  // above every number that pass_fds names
  int report_fd;
  bool own_session;
  bool die_with_parent;
};

[[noreturn]] void ReportAndExit(int report_fd) {
  const int error = errno;
  [[maybe_unused]] const ssize_t ignored = write(report_fd, &error, sizeof(error));
  _exit(127);
}

void ResetSignals() {
  struct sigaction defaults {};
  defaults.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) sigaction(signal, &defaults, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Moves every descriptor above the numbers that the child wants, then puts each at its place: no
// move overwrites a source.
bool PlaceDescriptors(ChildPlan& plan) {
  for (int& fd : plan.standard) {
    if (fd < 0) fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    fd = fcntl(fd, F_DUPFD_CLOEXEC, plan.first_free);
    if (fd < 0) return false;
  }
  for (auto& [source, target] : plan.pass_fds) {
    source = fcntl(source, F_DUPFD_CLOEXEC, plan.first_free);
    if (source < 0) return false;
  }
  for (int i = 0; i < 3; ++i) {
    if (dup2(plan.standard[i], i) < 0) return false;
  }
  for (const auto& [source, target] : plan.pass_fds) {
    if (dup2(source, target) < 0) return false;
  }
  return true;
}

void CloseOthers(const ChildPlan& plan) {
  // Descriptors between 3 and first_free that nobody asked for; the moved ones and the report pipe
  // are close-on-exec.
  for (int fd = 3; fd < plan.first_free; ++fd) {
    const bool wanted = std::any_of(plan.pass_fds.begin(), plan.pass_fds.end(),
                                    [fd](const auto& pass) { return pass.second == fd; });
    if (!wanted && fd != plan.report_fd) close(fd);
  }
  syscall(SYS_close_range, plan.first_free, ~0U, CLOSE_RANGE_CLOEXEC);
}

[[noreturn]] void RunChild(ChildPlan& plan, pid_t parent) {
  const int moved = fcntl(plan.report_fd, F_DUPFD_CLOEXEC, plan.first_free);
  if (moved < 0) ReportAndExit(plan.report_fd);
  plan.report_fd = moved;
  if (plan.own_session) setsid();
  if (plan.die_with_parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
  }
  ResetSignals();
  if (!PlaceDescriptors(plan)) ReportAndExit(plan.report_fd);
  CloseOthers(plan);
  if (plan.cwd != nullptr && chdir(plan.cwd) != 0) ReportAndExit(plan.report_fd);
  execve(plan.program.c_str(), plan.argv.data(), plan.env.data());
  ReportAndExit(plan.report_fd);
}

absl::StatusOr<std::string> ResolveProgram(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const auto found = FindProgram(name);
  if (!found.has_value()) {
    return WithHint(NotFound("program '{}' was not found in PATH", name),
                    "run 'ember doctor' to see what to install");
  }
  return found->native();
}

// Waits for the child's word: end of file means that exec succeeded.
int ReadExecError(int fd) {
  int error = 0;
  while (true) {
    const ssize_t got = read(fd, &error, sizeof(error));
    if (got >= 0 || errno != EINTR) return got == sizeof(error) ? error : 0;
  }
}

void AppendBounded(std::string& out, std::string_view bytes) {
  out.append(bytes.substr(0, kMaxToolOutput - std::min(out.size(), kMaxToolOutput)));
}

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

absl::StatusOr<Pipe> MakePipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe");
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

std::string LastLine(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  const size_t line = text.rfind('\n');
  return std::string(line == std::string_view::npos ? text : text.substr(line + 1));
}

// Carries a running tool's three streams until both outputs are closed. One tool, one call of Run.
class ToolStreams {
 public:
  ToolStreams(const ToolOptions& options, UniqueFd in, UniqueFd out, UniqueFd err)
      : options_(options), in_(std::move(in)), out_(std::move(out)), err_(std::move(err)) {}

  absl::Status Run(const Cancellation& cancellation, ToolResult& result) {
    RETURN_IF_ERROR(SetNonBlocking(in_.get()));
    if (options_.input.empty()) in_.Reset();
    while (out_.valid() || err_.valid()) {
      RETURN_IF_ERROR(cancellation.Check(options_.argv[0]));
      if (options_.watch) RETURN_IF_ERROR(options_.watch());
      pollfd fds[3] = {{out_.get(), POLLIN, 0}, {err_.get(), POLLIN, 0}, {in_.get(), POLLOUT, 0}};
      // Short turns: a stop token has no descriptor of its own here.
      if (poll(fds, 3, 50) <= 0) continue;
      if (fds[0].revents != 0) Drain(out_, result.out, options_.on_stdout);
      if (fds[1].revents != 0) Drain(err_, result.err, options_.on_stderr);
      if (fds[2].revents != 0) Feed();
    }
    return absl::OkStatus();
  }

 private:
  static void Drain(UniqueFd& fd, std::string& into,
                    const std::function<void(std::string_view)>& tee) {
    std::array<char, 16384> buffer;
    const ssize_t got = read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) return;
    if (got <= 0) {
      fd.Reset();
      return;
    }
    const std::string_view bytes(buffer.data(), static_cast<size_t>(got));
    AppendBounded(into, bytes);
    if (tee) tee(bytes);
  }

  void Feed() {
    const std::string_view rest = std::string_view(options_.input).substr(fed_);
    const ssize_t sent = write(in_.get(), rest.data(), rest.size());
    if (sent > 0) fed_ += static_cast<size_t>(sent);
    const bool failed = sent < 0 && errno != EAGAIN && errno != EINTR;
    if (failed || fed_ == options_.input.size()) in_.Reset();
  }

  const ToolOptions& options_;
  UniqueFd in_;
  UniqueFd out_;
  UniqueFd err_;
  size_t fed_ = 0;
};

}  // namespace

std::string ExitStatus::Describe() const {
  if (code.has_value()) return fmt::format("exit code {}", *code);
  if (signal.has_value()) return fmt::format("signal {} ({})", *signal, strsignal(*signal));
  return "gone";
}

absl::StatusOr<ProcessIdentity> IdentifyProcess(pid_t pid) {
  auto stat = ReadFile(fmt::format("/proc/{}/stat", pid));
  if (!stat.ok()) return NotFound("no process has pid {}", pid);
  // The name in parentheses may hold anything, so fields are counted from the last ')': state is
  // the 3rd, start time the 22nd.
  const size_t name_end = stat->rfind(')');
  if (name_end == std::string::npos) return Internal("/proc/{}/stat is malformed", pid);
  std::string_view rest = std::string_view(*stat).substr(name_end + 2);
  if (rest.starts_with("Z") || rest.starts_with("X")) return NotFound("process {} has ended", pid);
  for (int field = 3; field < 22; ++field)
    rest.remove_prefix(std::min(rest.size(), rest.find(' ') + 1));
  ProcessIdentity identity{pid, 0};
  if (std::from_chars(rest.data(), rest.data() + rest.size(), identity.start_time).ec !=
      std::errc()) {
    return Internal("/proc/{}/stat is malformed", pid);
  }
  return identity;
}

absl::StatusOr<Process> Process::Open(ProcessIdentity identity) {
  UniqueFd pidfd(PidfdOpen(identity.pid));
  if (!pidfd.valid() && errno == EINVAL) {
    // The number is a thread's by now (or never was one).
    return NotFound("no process has pid {}", identity.pid);
  }
  if (!pidfd.valid()) return ErrnoStatus(errno, fmt::format("pidfd of {}", identity.pid));
  // Looked at only now: while we hold the pidfd of a live process its pid can't be reused, so the
  // two match for good.
  ASSIGN_OR_RETURN(const ProcessIdentity now, IdentifyProcess(identity.pid));
  if (now != identity) {
    return NotFound("process {} has ended; its pid belongs to another process", identity.pid);
  }
  return Process(identity, std::move(pidfd));
}

absl::Status Process::Signal(int signal) const {
  if (syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0) == 0 || errno == ESRCH) {
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, fmt::format("signal {} to process {}", signal, identity_.pid));
}

bool Process::Ended() const {
  pollfd fd{pidfd_.get(), POLLIN, 0};
  return exit_.has_value() || poll(&fd, 1, 0) > 0;
}

absl::StatusOr<ExitStatus> Process::Wait(const Cancellation& cancellation) {
  RETURN_IF_ERROR(
      cancellation.WaitReadable(pidfd_.get(), fmt::format("process {}", identity_.pid)));
  return TryWait().value_or(ExitStatus{});
}

std::optional<ExitStatus> Process::TryWait() {
  if (exit_.has_value() || !Ended()) return exit_;
  siginfo_t info{};
  ExitStatus status;
  if (waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd_.get()), &info,
             WEXITED | WNOHANG) == 0 &&
      info.si_pid != 0) {
    if (info.si_code == CLD_EXITED) {
      status.code = info.si_status;
    } else {
      status.signal = info.si_status;
    }
  }
  exit_ = status;
  return exit_;
}

absl::StatusOr<Process> Spawn(const SpawnOptions& options) {
  ChildPlan plan;
  ASSIGN_OR_RETURN(plan.program, ResolveProgram(options.argv.at(0)));
  plan.argv = Pointers(options.argv);
  if (options.env.has_value()) {
    plan.env = Pointers(*options.env);
  } else {
    for (char** entry = environ; *entry != nullptr; ++entry) plan.env.push_back(*entry);
    plan.env.push_back(nullptr);
  }
  plan.cwd = options.cwd.empty() ? nullptr : options.cwd.c_str();
  plan.standard = {options.stdin_fd, options.stdout_fd, options.stderr_fd};
  plan.pass_fds = options.pass_fds;
  plan.first_free = 3;
  for (const auto& [source, target] : plan.pass_fds)
    plan.first_free = std::max(plan.first_free, target + 1);
  plan.own_session = options.session == SessionMode::kOwn;
  plan.die_with_parent = options.die_with_parent;
  ASSIGN_OR_RETURN(Pipe report, MakePipe());
  plan.report_fd = report.write.get();

  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return ErrnoStatus(errno, "fork");
  if (pid == 0) RunChild(plan, parent);
  report.write.Reset();
  if (const int error = ReadExecError(report.read.get()); error != 0) {
    waitpid(pid, nullptr, 0);
    return ErrnoStatus(error, fmt::format("cannot execute {}", plan.program));
  }
  // Our child stays at least a zombie until we reap it, so neither call can meet another process.
  UniqueFd pidfd(PidfdOpen(pid));
  if (!pidfd.valid()) {
    const absl::Status status = ErrnoStatus(errno, "pidfd");
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return status;
  }
  // A child that has ended already is a zombie without an identity: it keeps its pid and no start
  // time.
  auto identity = IdentifyProcess(pid);
  return Process(identity.ok() ? *identity : ProcessIdentity{pid, 0}, std::move(pidfd));
}

absl::StatusOr<ToolResult> RunTool(const ToolOptions& options, const Cancellation& cancellation) {
  ASSIGN_OR_RETURN(Pipe in, MakePipe());
  ASSIGN_OR_RETURN(Pipe out, MakePipe());
  ASSIGN_OR_RETURN(Pipe err, MakePipe());
  SpawnOptions spawn;
  spawn.argv = options.argv;
  spawn.env = options.env;
  spawn.cwd = options.cwd;
  spawn.stdin_fd = in.read.get();
  spawn.stdout_fd = out.write.get();
  spawn.stderr_fd = err.write.get();
  spawn.session = SessionMode::kOwn;
  spawn.die_with_parent = true;
  ASSIGN_OR_RETURN(Process process, Spawn(spawn));
  in.read.Reset();
  out.write.Reset();
  err.write.Reset();

  ToolResult result;
  absl::Status status =
      ToolStreams(options, std::move(in.write), std::move(out.read), std::move(err.read))
          .Run(cancellation, result);
  if (status.ok()) {
    auto exit = process.Wait(cancellation);
    status = exit.status();
    if (exit.ok()) result.exit = *exit;
  }
  if (!status.ok()) {
    // The session it leads is its process group too: nothing it started stays behind.
    kill(-process.identity().pid, SIGKILL);
    if (auto reaped = process.Wait({}); !reaped.ok()) return reaped.status();
    return status;
  }
  return result;
}

absl::StatusOr<std::string> RunToolForOutput(std::vector<std::string> argv,
                                             const Cancellation& cancellation) {
  ToolOptions options;
  options.argv = std::move(argv);
  ASSIGN_OR_RETURN(ToolResult result, RunTool(options, cancellation));
  if (result.exit.code != 0) {
    return Internal("{} failed: {}: {}", options.argv[0], result.exit.Describe(),
                    LastLine(result.err));
  }
  return std::move(result.out);
}

std::optional<std::filesystem::path> FindProgram(std::string_view name) {
  const char* path = getenv("PATH");
  std::string folders = fmt::format("{}:/usr/sbin:/sbin", path != nullptr ? path : "/usr/bin:/bin");
  for (size_t start = 0; start < folders.size();) {
    const size_t end = std::min(folders.find(':', start), folders.size());
    const std::filesystem::path candidate =
        std::filesystem::path(folders.substr(start, end - start)) / name;
    if (candidate.is_absolute() && access(candidate.c_str(), X_OK) == 0) return candidate;
    start = end + 1;
  }
  return std::nullopt;
}

}  // namespace ember
