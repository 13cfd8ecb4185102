#include <algorithm>
#include <csignal>
#include <string>
#include <vector>

#include "base/status_macros.h"
#include "guest-agent/json/operation.h"
#include "guest-agent/processes.h"

namespace ember::agent {
namespace {

constexpr absl::Duration kTermGrace = absl::Seconds(5);
constexpr absl::Duration kKillGrace = absl::Seconds(5);

bool IsAgentProcess(pid_t pid) {
  const auto words = CommandLineOf(pid);
  const auto has = [&words](auto matches) {
    return std::any_of(words.begin(), words.end(), matches);
  };
  return has([](const std::string& word) {
           return word.substr(word.rfind('/') + 1) == "claude";
         }) &&
         has([](const std::string& word) { return word == "--model"; });
}

}  // namespace

absl::StatusOr<BlockingWork> PlanAgentReap(const nlohmann::json&) {
  return [](const Cancellation& cancellation) -> absl::StatusOr<Response> {
    const std::vector<Process> found = HoldProcesses(IsAgentProcess);
    RETURN_IF_ERROR(EndProcesses(found, SIGTERM, kTermGrace, cancellation));
    RETURN_IF_ERROR(EndProcesses(found, SIGKILL, kKillGrace, cancellation));
    Response killed = Response::array();
    for (const Process& process : found) {
      if (process.Ended()) killed.push_back(process.identity().pid);
    }
    return Response{{"killed_pids", std::move(killed)}, {"process_count", found.size()}};
  };
}

}  // namespace ember::agent
