#include "guest-agent/spawner.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/socket.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/child_plan.h"

#ifdef EMBER_SANITIZED_THREAD
// ThreadSanitizer's clone takes the child for a fork and gives up, since it shares our memory. This
// is the C library's own name for the same function.
extern "C" int __clone(int (*entry)(void*), void* stack, int flags, void* argument, ...) noexcept;
constexpr auto* kClone = &__clone;
#else
constexpr auto* kClone = &clone;
#endif

namespace ember::agent {
namespace {

constexpr size_t kStackSize = size_t{64} << 10;
constexpr rlim_t kOwnFiles = 65536;

// The child's ends of its streams and ours.
struct Streams {
  SpawnedProcess ours;
  UniqueFd input;
  UniqueFd output;
  UniqueFd error;
};

absl::Status MakePipe(UniqueFd& read_end, UniqueFd& write_end) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe");
  read_end.Reset(fds[0]);
  write_end.Reset(fds[1]);
  return absl::OkStatus();
}

absl::StatusOr<Streams> MakePipes(InputSource input) {
  Streams streams;
  if (input == InputSource::kPipe) {
    RETURN_IF_ERROR(MakePipe(streams.input, streams.ours.input));
    RETURN_IF_ERROR(SetNonBlocking(streams.ours.input.get()));
  } else {
    streams.input.Reset(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!streams.input.valid()) return ErrnoStatus(errno, "/dev/null");
  }
  RETURN_IF_ERROR(MakePipe(streams.ours.output, streams.output));
  RETURN_IF_ERROR(MakePipe(streams.ours.error, streams.error));
  RETURN_IF_ERROR(SetNonBlocking(streams.ours.output.get()));
  RETURN_IF_ERROR(SetNonBlocking(streams.ours.error.get()));
  return streams;
}

// The peer is opened through the master, so that it needs no path: a /dev/pts of another namespace
// does not matter.
absl::StatusOr<Streams> MakeTerminal(TerminalSize size, const std::optional<Account>& account) {
  Streams streams;
  UniqueFd master(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  if (!master.valid()) return ErrnoStatus(errno, "pseudo-terminal: /dev/ptmx");
  int unlocked = 0;
  if (ioctl(master.get(), TIOCSPTLCK, &unlocked) != 0) return ErrnoStatus(errno, "TIOCSPTLCK");
  streams.input.Reset(ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!streams.input.valid()) return ErrnoStatus(errno, "pseudo-terminal");
  const winsize window{size.rows, size.columns, 0, 0};
  if (ioctl(master.get(), TIOCSWINSZ, &window) != 0) return ErrnoStatus(errno, "TIOCSWINSZ");
  // The user may open its own terminal again, as after login(1).
  if (account.has_value() && account->uid != geteuid() &&
      fchown(streams.input.get(), account->uid, static_cast<gid_t>(-1)) != 0) {
    return ErrnoStatus(errno, "owner of the pseudo-terminal");
  }
  streams.output.Reset(fcntl(streams.input.get(), F_DUPFD_CLOEXEC, 3));
  streams.error.Reset(fcntl(streams.input.get(), F_DUPFD_CLOEXEC, 3));
  streams.ours.input.Reset(fcntl(master.get(), F_DUPFD_CLOEXEC, 3));
  streams.ours.output = std::move(master);
  if (!streams.output.valid() || !streams.error.valid() || !streams.ours.input.valid()) {
    return ErrnoStatus(errno, "descriptors of the pseudo-terminal");
  }
  return streams;
}

std::vector<char*> Pointers(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Where `program` may be: itself, or below each folder of `path` (an empty one is the working
// directory).
std::vector<std::string> Candidates(const std::string& program, std::string_view path) {
  if (program.find('/') != std::string::npos) return {program};
  std::vector<std::string> candidates;
  while (true) {
    const size_t end = path.find(':');
    const std::string_view folder = path.substr(0, end);
    candidates.push_back(fmt::format("{}/{}", folder.empty() ? "." : folder, program));
    if (end == std::string_view::npos) return candidates;
    path.remove_prefix(end + 1);
  }
}

bool HasNul(const std::string& word) { return word.find('\0') != std::string::npos; }

absl::Status CheckWords(const ProcessSpec& spec) {
  if (spec.argv.empty() || spec.argv[0].empty()) return InvalidArgument("no program is named");
  if (std::any_of(spec.argv.begin(), spec.argv.end(), HasNul)) {
    return InvalidArgument("an argument has a NUL byte");
  }
  if (std::any_of(spec.folders.begin(), spec.folders.end(), HasNul)) {
    return InvalidArgument("the working directory has a NUL byte");
  }
  return absl::OkStatus();
}

absl::Status ExecFailure(const ProcessSpec& spec, int error) {
  const std::string& program = spec.argv[0];
  const std::string reason = std::system_category().message(error);
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      if (program.find('/') != std::string::npos) {
        return NotFound("program '{}' does not exist", program);
      }
      return NotFound("program '{}' was not found in PATH ({})", program, spec.path);
    case ENOMEM:
    case EAGAIN:
    case EMFILE:
    case ENFILE:
      return ResourceExhausted("cannot execute '{}': {}", program, reason);
    default:
      return FailedPrecondition("cannot execute '{}': {}", program, reason);
  }
}

absl::Status Failure(const ProcessSpec& spec, const ChildPlan& plan) {
  const int error = plan.error;
  const std::string reason = std::system_category().message(error);
  switch (plan.failed) {
    case ChildStep::kTerminal:
      return ErrnoStatus(error, "controlling terminal");
    case ChildStep::kStreams:
      return ErrnoStatus(error, "standard streams");
    case ChildStep::kLimit: {
      const ResourceLimit& limit = spec.limits[plan.failed_limit];
      if (error == EPERM) {
        return PermissionDenied("limit '{}': the guest's kernel does not permit {}", limit.name,
                                limit.value.rlim_max);
      }
      return FailedPrecondition("limit '{}': {}", limit.name, reason);
    }
    case ChildStep::kUser:
      if (error == EAGAIN) return ResourceExhausted("user '{}': {}", spec.account->name, reason);
      return FailedPrecondition("cannot become user '{}': {}", spec.account->name, reason);
    case ChildStep::kFolder:
      if (error == ENOENT || error == ENOTDIR) {
        return NotFound("working directory '{}': {}", spec.folders.back(), reason);
      }
      return FailedPrecondition("working directory '{}': {}", spec.folders.back(), reason);
    case ChildStep::kInterpreter:
      return FailedPrecondition(
          "cannot execute '{}': the interpreter or loader that it names does not exist",
          spec.argv[0]);
    case ChildStep::kExec:
    case ChildStep::kNone:
      break;
  }
  return ExecFailure(spec, error);
}

void DefaultIgnoredSignals() {
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action {};
    if (sigaction(signal, nullptr, &action) != 0 || action.sa_handler != SIG_IGN) continue;
    action = {};
    action.sa_handler = SIG_DFL;
    sigaction(signal, &action, nullptr);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Spawner>> Spawner::Create() {
  while (true) {
    const int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0) return ErrnoStatus(errno, "/dev/null");
    if (fd > STDERR_FILENO) {
      close(fd);
      break;
    }
    // One of 0 to 2 was closed: it stays open from now on.
    fcntl(fd, F_SETFD, 0);
  }
  syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
  // Blocked rather than ignored: executed programs inherit what is ignored.
  DefaultIgnoredSignals();
  sigset_t pipe_signal;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  sigprocmask(SIG_BLOCK, &pipe_signal, nullptr);

  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return ErrnoStatus(errno, "getrlimit");
  rlimit raised = files;
  raised.rlim_cur = std::max(files.rlim_cur, std::min(files.rlim_max, kOwnFiles));
  // Fewer sessions at once without it, nothing else.
  setrlimit(RLIMIT_NOFILE, &raised);
  return std::unique_ptr<Spawner>(new Spawner(files));
}

Spawner::Spawner(rlimit child_files)
    : child_files_(child_files), stack_(std::make_unique<char[]>(kStackSize)) {}

Spawner::~Spawner() { setrlimit(RLIMIT_NOFILE, &child_files_); }

absl::StatusOr<SpawnedProcess> Spawner::Spawn(const ProcessSpec& spec) {
  RETURN_IF_ERROR(CheckWords(spec));
  ASSIGN_OR_RETURN(Streams streams, spec.terminal.has_value()
                                        ? MakeTerminal(*spec.terminal, spec.account)
                                        : MakePipes(spec.input));
  const std::vector<std::string> candidates = Candidates(spec.argv[0], spec.path);
  const std::vector<char*> programs = Pointers(candidates);
  const std::vector<char*> argv = Pointers(spec.argv);
  const std::vector<char*> env = Pointers(spec.env);
  const std::vector<char*> folders = Pointers(spec.folders);
  ChildPlan plan;
  plan.programs = programs.data();
  plan.argv = argv.data();
  plan.env = env.data();
  plan.folders = folders.data();
  plan.streams = {streams.input.get(), streams.output.get(), streams.error.get()};
  plan.terminal = spec.terminal.has_value();
  plan.files = child_files_;
  plan.oom_score = oom_protection_.score_before();
  plan.limits = spec.limits.data();
  plan.limit_count = spec.limits.size();
  plan.change_umask = spec.umask.has_value();
  plan.umask = spec.umask.value_or(0);
  if (spec.account.has_value()) {
    plan.change_user = true;
    // Without root's rights only the same user is possible, and its groups are as they are.
    plan.change_groups = geteuid() == 0;
    plan.uid = spec.account->uid;
    plan.gid = spec.account->gid;
    plan.groups = spec.account->groups.data();
    plan.group_count = spec.account->groups.size();
  }

  // No handler of ours may run in the child, which shares our memory.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  const pid_t pid =
      kClone(&RunChild, stack_.get() + kStackSize, CLONE_VM | CLONE_VFORK | SIGCHLD, &plan);
  const int clone_error = errno;
  sigprocmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) {
    return ResourceExhausted("cannot start '{}': {}", spec.argv[0],
                             std::system_category().message(clone_error));
  }
  if (plan.failed != ChildStep::kNone) {
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return Failure(spec, plan);
  }
  streams.ours.pid = pid;
  if (spec.terminal.has_value()) streams.ours.error.Reset();
  return std::move(streams.ours);
}

}  // namespace ember::agent
