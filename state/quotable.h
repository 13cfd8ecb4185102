#pragma once

#include <string>
#include <string_view>

namespace ember::state {

// What somebody typed as a message may show it: it can come from anywhere, so no control characters
// ('?' instead) and no novels (80 bytes, then "…").
std::string Quotable(std::string_view text);

}  // namespace ember::state
