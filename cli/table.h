#pragma once

#include <string>
#include <utility>
#include <vector>

namespace ember::cli {

// Rows under a heading, in columns as wide as they need to be, two blanks apart. Cells are made
// printable; an empty one is shown as "-". A value.
class Table {
 public:
  explicit Table(std::vector<std::string> heading) : rows_{std::move(heading)} {}

  // A row has as many cells as the heading.
  void Add(std::vector<std::string> row);
  // All lines, each with its line end and no blanks at its end.
  std::string Text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// "key:   value" lines with aligned values, for one thing. Treats values as Table does.
std::string KeyValueText(const std::vector<std::pair<std::string, std::string>>& rows);

}  // namespace ember::cli
