#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ember/v1/vm.pb.h"

namespace ember::cli {

// Which VMs are asked for: `filters` are "label=KEY", "label=KEY=VALUE" or "status=STATE", and
// `statuses` states. All labels and one of the states must fit. InvalidArgument names the filter
// and what is accepted.
absl::StatusOr<v1::ListVmsRequest> ListRequestOf(const std::vector<std::string>& filters,
                                                 const std::vector<std::string>& statuses);

}  // namespace ember::cli
