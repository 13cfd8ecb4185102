#include "cli/suggestion.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace ember::cli {
namespace {

// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`. Three rows of
// the matrix are enough.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1);
  std::vector<size_t> above(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    std::swap(before, above);
    std::swap(above, row);
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = above[j] + (a[i] == b[j] ? 0 : 1);
      row[j + 1] = std::min({replaced, above[j + 1] + 1, row[j] + 1});
      const bool swapped = i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j];
      if (swapped) row[j + 1] = std::min(row[j + 1], before[j - 1] + 1);
    }
  }
  return row.back();
}

}  // namespace

std::optional<std::string> NearestWord(std::string_view typed,
                                       const std::vector<std::string>& known) {
  std::optional<std::string> nearest;
  size_t fewest = SIZE_MAX;
  for (const std::string& word : known) {
    const size_t distance = EditDistance(typed, word);
    if (distance < fewest && distance <= std::max<size_t>(1, (word.size() + 1) / 3)) {
      fewest = distance;
      nearest = word;
    }
  }
  return nearest;
}

}  // namespace ember::cli
