#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

// The texts of /proc: lines of words. Views live as long as the text.
namespace ember::agent {

// Without their ends; an empty last line is none.
std::vector<std::string_view> LinesOf(std::string_view text);

// What stands between spaces and tabs.
std::vector<std::string_view> WordsOf(std::string_view line);

// The decimal digits at the front; 0 when there are none.
uint64_t NumberOf(std::string_view word);

}  // namespace ember::agent
