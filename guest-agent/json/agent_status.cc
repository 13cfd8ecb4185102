#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>

#include "guest-agent/json/operation.h"
#include "guest-agent/json/regular_file.h"
#include "guest-agent/processes.h"

namespace ember::agent {
namespace {

constexpr std::string_view kEntrypoint = "thermite-entrypoint";
constexpr const char* kTaskId = "/tmp/thermite-task-id";
constexpr const char* kStream = "/tmp/agent-output.jsonl";
constexpr const char* kResult = "/tmp/thermite-result.json";
constexpr size_t kMostTaskId = 4096;

// The oldest one by pid: an entrypoint may have children whose command lines name it too.
std::optional<pid_t> FindEntrypoint() {
  for (const pid_t pid : AllPids()) {
    if (pid == getpid()) continue;
    const auto words = CommandLineOf(pid);
    if (std::any_of(words.begin(), words.end(), [](const std::string& word) {
          return word.find(kEntrypoint) != std::string::npos;
        })) {
      return pid;
    }
  }
  return std::nullopt;
}

// Null where there is none.
Response TaskId(const Cancellation& cancellation) {
  constexpr std::string_view kBlank = " \t\r\n\v\f";
  const auto text =
      ReadRegularFile(AT_FDCWD, kTaskId, LinkPolicy::kFollow, kMostTaskId, cancellation);
  if (!text.ok()) return nullptr;
  const size_t start = text->find_first_not_of(kBlank);
  if (start == std::string::npos) return nullptr;
  return text->substr(start, text->find_last_not_of(kBlank) - start + 1);
}

}  // namespace

absl::StatusOr<BlockingWork> PlanAgentStatus(const nlohmann::json&) {
  return [](const Cancellation& cancellation) -> absl::StatusOr<Response> {
    const std::optional<pid_t> pid = FindEntrypoint();
    const bool running = pid.has_value();
    struct stat stream {};
    struct stat result {};
    (void)stat(kStream, &stream);  // one that is absent stays 0
    (void)stat(kResult, &result);
    // A process that shows a command line is alive: a zombie has none.
    return Response{{"running", running},
                    {"alive", running},
                    {"pid", running ? Response(*pid) : Response(nullptr)},
                    {"task_id", running ? TaskId(cancellation) : Response(nullptr)},
                    {"rss_kb", running ? ResidentKib(*pid) : 0},
                    {"stream_offset", stream.st_size},
                    {"result_mtime", result.st_mtime}};
  };
}

}  // namespace ember::agent
