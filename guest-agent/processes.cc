#include "guest-agent/processes.h"

#include <dirent.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <memory>

#include "base/file.h"
#include "base/status_macros.h"
#include "guest-agent/proc_text.h"

namespace ember::agent {
namespace {

constexpr std::string_view kRemoved = " (deleted)";

}  // namespace

std::vector<pid_t> AllPids() {
  std::vector<pid_t> pids;
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(opendir("/proc"), closedir);
  if (proc == nullptr) return pids;
  while (const dirent* entry = readdir(proc.get())) {
    const auto pid = static_cast<pid_t>(NumberOf(entry->d_name));
    if (pid > 0) pids.push_back(pid);
  }
  std::sort(pids.begin(), pids.end());
  return pids;
}

std::vector<std::string> CommandLineOf(pid_t pid) {
  std::vector<std::string> words;
  const std::string text = ReadFile(fmt::format("/proc/{}/cmdline", pid)).value_or("");
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find('\0', start), text.size());
    words.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return words;
}

std::string WorkingDirectoryOf(pid_t pid) {
  std::array<char, PATH_MAX> target;
  const ssize_t size =
      readlink(fmt::format("/proc/{}/cwd", pid).c_str(), target.data(), target.size());
  std::string_view path(target.data(), size < 0 ? 0 : static_cast<size_t>(size));
  if (path.ends_with(kRemoved)) path.remove_suffix(kRemoved.size());
  return std::string(path);
}

uint64_t ResidentKib(pid_t pid) {
  const std::string text = ReadFile(fmt::format("/proc/{}/status", pid)).value_or("");
  for (const std::string_view line : LinesOf(text)) {
    const auto words = WordsOf(line);
    if (words.size() >= 2 && words[0] == "VmRSS:") return NumberOf(words[1]);
  }
  return 0;
}

std::vector<Process> HoldProcesses(const std::function<bool(pid_t)>& wanted) {
  std::vector<Process> held;
  for (const pid_t pid : AllPids()) {
    if (pid == 1 || pid == getpid() || !wanted(pid)) continue;
    const auto identity = IdentifyProcess(pid);
    if (!identity.ok()) continue;
    auto process = Process::Open(*identity);
    if (process.ok() && wanted(pid)) held.push_back(*std::move(process));
  }
  return held;
}

absl::Status EndProcesses(const std::vector<Process>& processes, int signal, absl::Duration grace,
                          const Cancellation& cancellation) {
  for (const Process& process : processes) RETURN_IF_ERROR(process.Signal(signal));
  const Cancellation patience = cancellation.Within(grace);
  for (const Process& process : processes) {
    if (!patience.WaitReadable(process.pidfd(), "the end of a process").ok()) break;
  }
  return cancellation.Check("the end of processes");
}

}  // namespace ember::agent
