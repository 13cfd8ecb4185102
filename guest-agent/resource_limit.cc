#include "guest-agent/resource_limit.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/status.h"
#include "base/status_macros.h"

namespace ember::agent {
namespace {

struct Known {
  std::string_view name;
  int resource;
};

constexpr auto kKnown = std::to_array<Known>({{"as", RLIMIT_AS},
                                              {"core", RLIMIT_CORE},
                                              {"cpu", RLIMIT_CPU},
                                              {"data", RLIMIT_DATA},
                                              {"fsize", RLIMIT_FSIZE},
                                              {"locks", RLIMIT_LOCKS},
                                              {"memlock", RLIMIT_MEMLOCK},
                                              {"msgqueue", RLIMIT_MSGQUEUE},
                                              {"nice", RLIMIT_NICE},
                                              {"nofile", RLIMIT_NOFILE},
                                              {"nproc", RLIMIT_NPROC},
                                              {"rss", RLIMIT_RSS},
                                              {"rtprio", RLIMIT_RTPRIO},
                                              {"rttime", RLIMIT_RTTIME},
                                              {"sigpending", RLIMIT_SIGPENDING},
                                              {"stack", RLIMIT_STACK}});

std::string KnownNames() {
  std::string names;
  for (const Known& known : kKnown) {
    if (!names.empty()) names += ", ";
    names += known.name;
  }
  return names;
}

absl::StatusOr<ResourceLimit> LimitOf(const v1::Limit& limit) {
  const auto* known = std::find_if(kKnown.begin(), kKnown.end(),
                                   [&](const Known& one) { return one.name == limit.name(); });
  if (known == kKnown.end()) {
    return InvalidArgument("limit '{}' is not known; there are {}", limit.name(), KnownNames());
  }
  if (limit.soft() > limit.hard()) {
    return InvalidArgument("limit '{}': soft {} is over hard {}", limit.name(), limit.soft(),
                           limit.hard());
  }
  return ResourceLimit{limit.name(), known->resource, {limit.soft(), limit.hard()}};
}

}  // namespace

absl::StatusOr<std::vector<ResourceLimit>> LimitsOf(
    const google::protobuf::RepeatedPtrField<v1::Limit>& limits) {
  // What the protocol calls the largest number, the kernel calls infinity.
  static_assert(RLIM_INFINITY == UINT64_MAX);
  std::vector<ResourceLimit> read;
  for (const v1::Limit& limit : limits) {
    ASSIGN_OR_RETURN(ResourceLimit one, LimitOf(limit));
    const bool twice = std::any_of(read.begin(), read.end(), [&one](const ResourceLimit& other) {
      return other.resource == one.resource;
    });
    if (twice) return InvalidArgument("limit '{}' is given twice", limit.name());
    read.push_back(std::move(one));
  }
  return read;
}

}  // namespace ember::agent
