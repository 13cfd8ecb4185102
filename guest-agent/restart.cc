#include "guest-agent/restart.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <set>
#include <string>
#include <utility>

#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/restart_state.h"

namespace ember::agent {
namespace {

// Names the descriptor of the state. Taken out of the environment when it is read.
constexpr char kVariable[] = "EMBER_RESTART_FD";

absl::Status WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, "restart state");
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> WriteState(const std::vector<SavedProcess>& processes) {
  UniqueFd fd(memfd_create("ember-restart", MFD_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, "memfd_create");
  RETURN_IF_ERROR(WriteAll(fd.get(), RestartStateBegin()));
  for (const SavedProcess& process : processes) {
    RETURN_IF_ERROR(WriteAll(fd.get(), RestartStateOf(process)));
  }
  RETURN_IF_ERROR(WriteAll(fd.get(), RestartStateEnd()));
  return fd;
}

absl::StatusOr<std::vector<RecordedProcess>> ReadState(int fd) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return ErrnoStatus(errno, "restart state");
  if (!S_ISREG(status.st_mode) || status.st_size == 0) return DataLoss("it is no file");
  const auto size = static_cast<size_t>(status.st_size);
  void* const memory = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return ErrnoStatus(errno, "restart state");
  auto processes = ParseRestartState({static_cast<const char*>(memory), size});
  munmap(memory, size);
  return processes;
}

// Its end can be known only if it is our child.
bool IsOurChild(pid_t pid) {
  siginfo_t info{};
  return waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

bool IsOpen(int fd) { return fd < 0 || fcntl(fd, F_GETFD) >= 0; }

SavedProcess SavedOf(RecordedProcess recorded) {
  SavedProcess saved{std::move(recorded.about), std::move(recorded.output), {}};
  saved.streams.pid = static_cast<pid_t>(saved.about.pid());
  saved.streams.input.Reset(recorded.input_fd);
  saved.streams.output.Reset(recorded.output_fd);
  saved.streams.error.Reset(recorded.error_fd);
  return saved;
}

bool CanBeTakenUp(const RecordedProcess& process) {
  if (!process.about.running()) return true;
  return IsOurChild(static_cast<pid_t>(process.about.pid())) && IsOpen(process.input_fd) &&
         IsOpen(process.output_fd) && IsOpen(process.error_fd);
}

std::set<int> DescriptorsOf(const std::vector<SavedProcess>& processes) {
  std::set<int> numbers;
  for (const SavedProcess& process : processes) {
    for (const UniqueFd* fd :
         {&process.streams.input, &process.streams.output, &process.streams.error}) {
      if (fd->valid()) numbers.insert(fd->get());
    }
  }
  return numbers;
}

// Whatever else was left open belongs to nobody any more.
void CloseAllBut(const std::set<int>& kept) {
  unsigned first = STDERR_FILENO + 1;
  for (const int fd : kept) {
    if (static_cast<unsigned>(fd) > first) {
      syscall(SYS_close_range, first, static_cast<unsigned>(fd) - 1, 0U);
    }
    first = static_cast<unsigned>(fd) + 1;
  }
  syscall(SYS_close_range, first, ~0U, 0U);
}

void SetInherited(const std::set<int>& descriptors, bool inherited) {
  for (const int fd : descriptors) fcntl(fd, F_SETFD, inherited ? 0 : FD_CLOEXEC);
}

// Ours, as the kernel keeps them.
absl::StatusOr<std::vector<std::string>> OwnWords() {
  ASSIGN_OR_RETURN(const std::string text, ReadFile("/proc/self/cmdline"));
  std::vector<std::string> words;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\0', at), text.size());
    words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  if (words.empty()) return Internal("/proc/self/cmdline is empty");
  return words;
}

absl::Status Execute(const std::vector<std::filesystem::path>& programs,
                     const std::vector<SavedProcess>& processes) {
  ASSIGN_OR_RETURN(std::vector<std::string> words, OwnWords());
  ASSIGN_OR_RETURN(const UniqueFd state, WriteState(processes));
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::set<int> inherited = DescriptorsOf(processes);
  inherited.insert(state.get());
  setenv(kVariable, std::to_string(state.get()).c_str(), 1);
  SetInherited(inherited, true);
  int error = ENOENT;
  for (const auto& program : programs) {
    execv(program.c_str(), argv.data());
    if (errno != ENOENT) error = errno;
  }
  SetInherited(inherited, false);
  unsetenv(kVariable);
  return ErrnoStatus(error, "execute the agent again");
}

}  // namespace

bool IsRestart() { return getenv(kVariable) != nullptr; }

std::vector<std::filesystem::path> RestartPrograms(Where where) {
  // Ours, also when its file has been replaced or removed.
  constexpr char kSelf[] = "/proc/self/exe";
  if (where == Where::kElsewhere) return {kSelf};
  return {kInstalledAgent, kSelf};
}

std::vector<SavedProcess> TakeRestartState(const Log& log) {
  const char* const text = getenv(kVariable);
  if (text == nullptr) return {};
  const std::string_view word = text;
  int fd = -1;
  std::from_chars(word.data(), word.data() + word.size(), fd);
  auto recorded = ReadState(fd);
  unsetenv(kVariable);
  std::vector<SavedProcess> processes;
  if (!recorded.ok()) {
    log.Error("cannot read what the agent before left: its detached processes are lost",
              {{"reason", std::string(Message(recorded.status()))}});
  } else {
    for (RecordedProcess& process : *recorded) {
      if (CanBeTakenUp(process)) {
        processes.push_back(SavedOf(std::move(process)));
      } else {
        log.Error("cannot take a process up", {{"tag", process.about.tag()}});
      }
    }
  }
  CloseAllBut(DescriptorsOf(processes));
  return processes;
}

void RestartInto(const std::vector<std::filesystem::path>& programs,
                 const std::vector<SavedProcess>& processes, const Log& log) {
  const absl::Status failed = Execute(programs, processes);
  log.Error("cannot restart: going on as before", {{"reason", std::string(Message(failed))}});
}

}  // namespace ember::agent
