// A table of text: columns as wide as their widest cell, two blanks apart, each with a title.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace sluice::show {

class TextTable {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    const char* title;
    Align align = Align::kLeft;
  };

  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

  void add(std::vector<std::string> row) { rows_.push_back({std::move(row), ""}); }
  // A line below the last row.
  void add_below(const std::string& line) { rows_.back().below += "  " + line + "\n"; }

  std::string text() const;

 private:
  struct Row {
    std::vector<std::string> cells;
    std::string below;
  };

  size_t width(size_t column) const;
  std::string line(const std::vector<std::string>& cells) const;

  const std::vector<Column> columns_;
  std::vector<Row> rows_;
};

}  // namespace sluice::show
