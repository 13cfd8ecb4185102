#include "cli/suggestion.h"

#include <algorithm>
#include <numeric>

namespace ember::cli {
namespace {

// Levenshtein distance with one row of the matrix.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
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
