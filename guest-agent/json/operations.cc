#include <algorithm>
#include <array>
#include <utility>

#include "guest-agent/json/operation.h"
#include "guest-agent/json/request.h"

namespace ember::agent {
namespace {

template <PlanWork kPlan>
std::unique_ptr<Operation> Blocking(const Context& context, const nlohmann::json& request,
                                    Answer answer) {
  return StartBlocking(context, OpOf(request), kPlan(request), std::move(answer));
}

struct Entry {
  std::string_view op;
  StartOperation start;
};

constexpr auto kOperations = std::to_array<Entry>({
    {"agent_reap", Blocking<PlanAgentReap>},
    {"agent_status", Blocking<PlanAgentStatus>},
    {"exec", StartExec},
    {"fs_clean", Blocking<PlanFsClean>},
    {"ping", StartPing},
    {"read_file", Blocking<PlanReadFile>},
    {"task_checkpoint", Blocking<PlanTaskCheckpoint>},
    {"task_restore", Blocking<PlanTaskRestore>},
    {"vm_stats", StartVmStats},
    {"workspace_reset", Blocking<PlanWorkspaceReset>},
    {"write_file", Blocking<PlanWriteFile>},
});

}  // namespace

StartOperation FindOperation(std::string_view op) {
  const auto* found = std::find_if(kOperations.begin(), kOperations.end(),
                                   [op](const Entry& entry) { return entry.op == op; });
  return found == kOperations.end() ? nullptr : found->start;
}

}  // namespace ember::agent
