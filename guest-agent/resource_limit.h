#pragma once

#include <sys/resource.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ember/agent/v1/agent.pb.h"

namespace ember::agent {

// One of setrlimit(2)'s limits, for a process that is about to start.
struct ResourceLimit {
  std::string name;  // as the protocol says it: "nofile"
  int resource = 0;  // RLIMIT_NOFILE
  rlimit value{};
};

// Reads the limits of a request. InvalidArgument for a name that is not known, one that comes twice
// and a soft limit over its hard one.
absl::StatusOr<std::vector<ResourceLimit>> LimitsOf(
    const google::protobuf::RepeatedPtrField<v1::Limit>& limits);

}  // namespace ember::agent
