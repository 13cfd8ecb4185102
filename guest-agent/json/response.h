#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace ember::agent {

// The fields of a response keep the order in which they are set.
using Response = nlohmann::ordered_json;

// A response as a line, without its end. Output of commands and names of files need not be UTF-8:
// each broken sequence becomes U+FFFD.
std::string TextOf(const Response& response);

}  // namespace ember::agent
