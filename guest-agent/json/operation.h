#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "guest-agent/context.h"

// The operations of the JSON-lines protocol: one file each, all named in operations.cc.
namespace ember::agent {

// The fields of a response keep the order in which they are set.
using Response = nlohmann::ordered_json;

// A request that is being worked on. Destroying it abandons the work, and nothing is answered.
class Operation {
 public:
  virtual ~Operation() = default;
};

// Takes the one response, or an error whose message is the protocol's `error` text. Called on the
// loop, at once or later; the operation may be destroyed from within the call only if it was made
// later.
using Answer = std::function<void(absl::StatusOr<Response>)>;

// Starts an operation. Null when it has been answered already.
using StartOperation = std::unique_ptr<Operation> (*)(const Context& context,
                                                      const nlohmann::json& request, Answer answer);

// Null for an op that is not known here.
StartOperation FindOperation(std::string_view op);

std::unique_ptr<Operation> StartPing(const Context& context, const nlohmann::json& request,
                                     Answer answer);
std::unique_ptr<Operation> StartExec(const Context& context, const nlohmann::json& request,
                                     Answer answer);

}  // namespace ember::agent
