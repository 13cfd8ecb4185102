#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ember::cli {

// The word of `known` that somebody who typed `typed` most likely meant: the one with the fewest
// edits, if they are no more than about a third of its letters; one is always allowed.
std::optional<std::string> NearestWord(std::string_view typed,
                                       const std::vector<std::string>& known);

}  // namespace ember::cli
