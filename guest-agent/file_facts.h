#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "ember/agent/v1/agent.pb.h"
#include "guest-agent/id_names.h"

namespace ember::agent {

// InvalidArgument unless `path` is absolute and can be a path.
absl::Status CheckPath(const std::string& path);

enum class Links { kFollow, kKeep };

// What there is to know about `path`, seen from `directory` where it is relative.
absl::StatusOr<v1::FileInfo> FactsOf(int directory, const std::string& path, Links links,
                                     const IdNames& names);

}  // namespace ember::agent
