#include "show/text_table.h"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>

namespace sluice::show {

std::string TextTable::text() const {
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.emplace_back(column.title);
  std::string text = line(titles);
  for (const Row& row : rows_) text += line(row.cells) + row.below;
  return text;
}

size_t TextTable::width(size_t column) const {
  size_t width = std::string_view(columns_[column].title).size();
  for (const Row& row : rows_) width = std::max(width, row.cells[column].size());
  return width;
}

// Without blanks at its end.
std::string TextTable::line(const std::vector<std::string>& cells) const {
  std::string text;
  for (size_t i = 0; i < cells.size(); ++i) {
    const bool right = columns_[i].align == Align::kRight;
    const std::string gap = i == 0 ? "" : "  ";
    text += right ? fmt::format("{}{:>{}}", gap, cells[i], width(i))
                  : fmt::format("{}{:<{}}", gap, cells[i], width(i));
  }
  return text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
}

}  // namespace sluice::show
