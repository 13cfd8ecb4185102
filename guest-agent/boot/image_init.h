#pragma once

#include <optional>
#include <string>

namespace ember::agent {

// The program that the image wants as process 1: `wanted` if it can be executed, else the first of
// /sbin/init, /etc/init, /bin/init and /lib/systemd/systemd that can. Looked up in the root of this
// process.
std::optional<std::string> FindImageInit(const std::string& wanted);

}  // namespace ember::agent
