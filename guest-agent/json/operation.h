#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "base/cancellation.h"
#include "guest-agent/context.h"
#include "guest-agent/json/response.h"

// The operations of the JSON-lines protocol: one file each, all named in operations.cc.
namespace ember::agent {

// A request that is being worked on. Destroying it abandons the work, and nothing is answered.
class Operation {
 public:
  virtual ~Operation() = default;
};

// Takes the one response line, or an error whose message is the protocol's `error` text. Called on
// the loop, at once or later; the operation may be destroyed from within the call only if it was
// made later.
using Answer = std::function<void(absl::StatusOr<std::string>)>;

// Starts an operation. Null when it has been answered already.
using StartOperation = std::unique_ptr<Operation> (*)(const Context& context,
                                                      const nlohmann::json& request, Answer answer);

// Null for an op that is not known here.
StartOperation FindOperation(std::string_view op);

std::unique_ptr<Operation> StartExec(const Context& context, const nlohmann::json& request,
                                     Answer answer);
std::unique_ptr<Operation> StartPing(const Context& context, const nlohmann::json& request,
                                     Answer answer);
std::unique_ptr<Operation> StartVmStats(const Context& context, const nlohmann::json& request,
                                        Answer answer);

// The part of an operation that may block, for a thread of its own. An error is told behind the
// op's name. Once cancelled it comes back soon, and has undone what is half done.
using BlockingWork = absl::AnyInvocable<absl::StatusOr<Response>(const Cancellation&) &&>;

// Reads the request of such an operation. The error is the protocol's text.
using PlanWork = absl::StatusOr<BlockingWork> (*)(const nlohmann::json& request);

absl::StatusOr<BlockingWork> PlanAgentReap(const nlohmann::json& request);
absl::StatusOr<BlockingWork> PlanAgentStatus(const nlohmann::json& request);
absl::StatusOr<BlockingWork> PlanFsClean(const nlohmann::json& request);
absl::StatusOr<BlockingWork> PlanReadFile(const nlohmann::json& request);
absl::StatusOr<BlockingWork> PlanTaskCheckpoint(const nlohmann::json& request);
absl::StatusOr<BlockingWork> PlanTaskRestore(const nlohmann::json& request);
absl::StatusOr<BlockingWork> PlanWorkspaceReset(const nlohmann::json& request);
absl::StatusOr<BlockingWork> PlanWriteFile(const nlohmann::json& request);

// Starts work on a worker; work that could not be planned is answered with its error.
std::unique_ptr<Operation> StartBlocking(const Context& context, std::string op,
                                         absl::StatusOr<BlockingWork> work, Answer answer);

}  // namespace ember::agent
