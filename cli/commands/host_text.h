#pragma once

#include <string>

#include "ember/v1/host_service.pb.h"

namespace ember::cli {

// A host as "key: value" lines.
std::string HostText(const v1::Host& host);

}  // namespace ember::cli
