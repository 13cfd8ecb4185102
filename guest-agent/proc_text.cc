#include "guest-agent/proc_text.h"

#include <charconv>

namespace ember::agent {

std::vector<std::string_view> LinesOf(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

std::vector<std::string_view> WordsOf(std::string_view line) {
  constexpr std::string_view kBlank = " \t";
  std::vector<std::string_view> words;
  size_t end = 0;
  while (true) {
    const size_t start = line.find_first_not_of(kBlank, end);
    if (start == std::string_view::npos) return words;
    end = line.find_first_of(kBlank, start);
    words.push_back(line.substr(start, end - start));
    if (end == std::string_view::npos) return words;
  }
}

uint64_t NumberOf(std::string_view word) {
  uint64_t number = 0;
  std::from_chars(word.data(), word.data() + word.size(), number);
  return number;
}

}  // namespace ember::agent
