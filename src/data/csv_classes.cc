#include "data/csv_classes.h"

#include <fmt/core.h>

#include <algorithm>

#include "data/csv.h"
#include "data/csv_cells.h"

namespace sluice::data {

Result<int32_t> CsvClasses::add(std::string_view cell, int64_t line) {
  const auto known = ids_.find(cell);
  if (known != ids_.end()) return known->second;
  if (cell.empty()) return invalid_argument("a class");
  auto id = static_cast<int32_t>(ids_.size());
  if (like_ != nullptr) {
    SLUICE_ASSIGN_OR_RETURN(id, in_other_file(cell));
  } else if (id == kMaxClasses) {
    return invalid_argument(fmt::format("at most {} different classes", kMaxClasses));
  } else if (to_whole(cell, kMaxClasses - 1)) {
    // a class number so far
  } else if (!to_float(cell) && !is_beyond_float(cell)) {
    named_ = true;
  } else if (odd_line_ == 0) {
    odd_line_ = line;
    odd_ = cell;
  }
  ids_.emplace(cell, id);
  return id;
}

CsvClasses::Known CsvClasses::finish() const {
  Known known;
  known.numbers.resize(ids_.size());
  int32_t rank = 0;
  for (const auto& [name, id] : ids_) {  // in sorted order
    const int32_t number = named_ ? rank++ : *to_whole(name, kMaxClasses - 1);
    known.numbers[static_cast<size_t>(id)] = number;
    known.count = std::max(known.count, number + 1);
    if (named_) known.names.push_back(name);
  }
  return known;
}

Result<int32_t> CsvClasses::in_other_file(std::string_view cell) const {
  const auto& names = like_->table.class_names;
  if (names.empty()) {
    if (const auto number = to_whole(cell, kMaxClasses - 1)) return int32_t{*number};
    return invalid_argument(
        fmt::format("a class number from 0 to {} as in {} (numbers are predicted with a loss of "
                    "numbers, such as mse)",
                    kMaxClasses - 1, like_->origin));
  }
  // Which a model's file may have in any order.
  const auto at = std::ranges::find(names, cell);
  if (at != names.end()) return static_cast<int32_t>(at - names.begin());
  return invalid_argument(
      fmt::format("one of the classes of {} ({})", like_->origin, list_names(names)));
}

}  // namespace sluice::data
