#include "cli/table.h"

#include <algorithm>

#include "base/check.h"
#include "cli/printable.h"

namespace ember::cli {
namespace {

std::string Cell(const std::string& text) { return text.empty() ? "-" : Printable(text); }

}  // namespace

void Table::Add(std::vector<std::string> row) {
  EMBER_CHECK(row.size() == rows_.front().size());
  std::transform(row.begin(), row.end(), row.begin(), Cell);
  rows_.push_back(std::move(row));
}

std::string Table::Text() const {
  std::vector<size_t> widths(rows_.front().size(), 0);
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], DisplayWidth(row[i]));
  }
  std::string text;
  for (const auto& row : rows_) {
    for (size_t i = 0; i + 1 < row.size(); ++i) {
      text += row[i];
      text.append(widths[i] - DisplayWidth(row[i]) + 2, ' ');
    }
    text += row.back();
    text += '\n';
  }
  return text;
}

std::string KeyValueText(const std::vector<std::pair<std::string, std::string>>& rows) {
  size_t width = 0;
  for (const auto& [key, value] : rows) width = std::max(width, key.size());
  std::string text;
  for (const auto& [key, value] : rows) {
    text += key + ":";
    text.append(width - key.size() + 2, ' ');
    text += Cell(value);
    text += '\n';
  }
  return text;
}

}  // namespace ember::cli
