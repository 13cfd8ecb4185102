#include <fcntl.h>
#include <sys/stat.h>

#include <csignal>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/json/allowed_path.h"
#include "guest-agent/json/mounts.h"
#include "guest-agent/json/operation.h"
#include "guest-agent/json/request.h"
#include "guest-agent/json/tree_removal.h"
#include "guest-agent/processes.h"

namespace ember::agent {
namespace {

constexpr absl::Duration kKillGrace = absl::Seconds(5);
// A process that is being killed may start another one meanwhile.
constexpr int kMostRounds = 20;

bool Exists(const AllowedPath& path) {
  struct stat info;
  return fstatat(path.parent.get(), path.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
}

absl::Status KillThoseIn(const std::string& path, const Cancellation& cancellation) {
  for (int round = 0; round < kMostRounds; ++round) {
    const std::vector<Process> inside =
        HoldProcesses([&path](pid_t pid) { return IsAtOrUnder(WorkingDirectoryOf(pid), path); });
    if (inside.empty()) return absl::OkStatus();
    RETURN_IF_ERROR(EndProcesses(inside, SIGKILL, kKillGrace, cancellation));
  }
  return Aborted("'{}': processes that work there do not end", path);
}

absl::StatusOr<uint64_t> Reset(const std::string& text, const Cancellation& cancellation) {
  auto path = CheckAllowed(text, LastLink::kKeep);
  if (absl::IsNotFound(path.status())) return 0;
  RETURN_IF_ERROR(path.status());
  if (!Exists(*path)) return 0;
  RETURN_IF_ERROR(KillThoseIn(path->path, cancellation));
  RETURN_IF_ERROR(UnmountAtOrUnder(path->path));
  ASSIGN_OR_RETURN(const uint64_t count, RemoveEntry(path->parent.get(), path->name, cancellation));
  if (Exists(*path)) return Aborted("'{}' is there again", text);
  return count;
}

}  // namespace

absl::StatusOr<BlockingWork> PlanWorkspaceReset(const nlohmann::json& request) {
  ASSIGN_OR_RETURN(std::string path, RequiredPath(request, "path"));
  return [path = std::move(path)](const Cancellation& cancellation) -> absl::StatusOr<Response> {
    const absl::Time start = absl::Now();
    ASSIGN_OR_RETURN(const uint64_t count, Reset(path, cancellation));
    return Response{{"ok", true},
                    {"removed_count", count},
                    {"duration_ms", absl::ToInt64Milliseconds(absl::Now() - start)}};
  };
}

}  // namespace ember::agent
