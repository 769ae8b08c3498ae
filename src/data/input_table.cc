// Rows of tables as records.
#include <fmt/core.h>

#include <algorithm>

#include "core/count_text.h"
#include "data/csv_cells.h"
#include "data/input_picture.h"
#include "data/inputs.h"

namespace sluice::data {
namespace {

bool holds(std::span<const std::string_view> cells, std::string_view name) {
  return std::ranges::find(cells, name) != cells.end();
}

// Numbers with blanks between them stand where no name would.
bool are_numbers(std::string_view cell) {
  constexpr std::string_view kBlanks = " \t";
  size_t begin = cell.find_first_not_of(kBlanks);
  if (begin == cell.npos) return false;
  while (begin != cell.npos) {
    const size_t end = std::min(cell.find_first_of(kBlanks, begin), cell.size());
    if (!is_number(cell.substr(begin, end - begin))) return false;
    begin = cell.find_first_not_of(kBlanks, end);
  }
  return true;
}

// What to do about a cell that should be a number.
std::string hint_for(std::string_view cell) {
  if (has_decimal_comma(cell)) return ": write it with a point";
  return !is_number(cell) && are_numbers(cell) ? "; separate numbers by commas" : "";
}

}  // namespace

Status InputTable::wrong(int64_t line, const std::string& what) const {
  return invalid_argument(fmt::format("{}: line {}: {}", name_, line, what));
}

const std::vector<std::string>& InputTable::columns() const {
  static const std::vector<std::string> kNone;
  return format_.preprocessing ? format_.preprocessing->columns : kNone;
}

// Names may be numbers, too: pandas calls columns 0, 1, 2.
bool InputTable::is_header(Cells cells) const {
  const auto is_there = [&](const std::string& name) { return holds(cells, name); };
  if (!columns().empty() && std::ranges::all_of(columns(), is_there)) return true;
  if (columns().empty() && !format_.target.empty() && is_there(format_.target)) return true;
  const bool is_empty = std::ranges::all_of(cells, &std::string_view::empty);
  return !is_empty && std::ranges::none_of(cells, are_numbers);
}

Status InputTable::find_columns(int64_t line, Cells cells) {
  for (const std::string& name : format_.ignored) {
    if (std::ranges::find(columns(), name) == columns().end()) continue;
    return wrong(line, fmt::format("the model was trained with column {}: it cannot be ignored",
                                   excerpt(name)));
  }
  std::vector<bool> found(columns().size());
  for (const std::string_view cell : cells) {
    const auto column = std::ranges::find(columns(), cell);
    places_.push_back(kNowhere);
    if (column == columns().end()) continue;
    const auto place = static_cast<size_t>(column - columns().begin());
    if (found[place]) return wrong(line, fmt::format("the column {} twice", excerpt(cell)));
    found[place] = true;
    places_.back() = place;
  }
  for (size_t i = 0; i < found.size(); ++i) {
    if (found[i]) continue;
    return wrong(line,
                 fmt::format("no column {}, which the model was trained with; it has {}",
                             excerpt(columns()[i]), list_names({cells.begin(), cells.end()})));
  }
  return ok_status();
}

// Of a model that knows no names, all other columns are features, as they come.
Status InputTable::leave_out_columns(int64_t line, Cells cells) {
  for (const std::string& name : format_.ignored) {
    if (holds(cells, name)) continue;
    return wrong(line, fmt::format("has no column {} to ignore, but {}", excerpt(name),
                                   list_names({cells.begin(), cells.end()})));
  }
  size_t place = 0;
  for (const std::string_view cell : cells) {
    const bool is_out = (!format_.target.empty() && cell == format_.target) ||
                        std::ranges::find(format_.ignored, cell) != format_.ignored.end();
    places_.push_back(is_out ? kNowhere : place++);
  }
  return ok_status();
}

Status InputTable::check_count(int64_t line, Cells cells, bool is_header) const {
  const auto features = static_cast<size_t>(
      std::ranges::count_if(places_, [](size_t place) { return place != kNowhere; }));
  if (features == size()) return ok_status();
  if (cells.size() == 1) {
    return wrong(line, fmt::format("one cell, {}, but the model takes {} numbers; separate them by "
                                   "commas, or write a JSON array",
                                   excerpt(cells.front()), size()));
  }
  const char* const hint = is_header && columns().empty() && features > size()
                               ? "; leave columns out by --target and --ignore"
                               : "";
  return wrong(line, fmt::format("{}, but the model takes {}{}",
                                 core::counted(static_cast<int64_t>(features), "number", "numbers"),
                                 size(), hint));
}

Result<bool> InputTable::read_first(int64_t line, Cells cells) {
  SLUICE_RETURN_IF_ERROR(check_scale_of_table(name_, format_));
  const bool header = is_header(cells);
  if (header && columns().empty()) {
    SLUICE_RETURN_IF_ERROR(leave_out_columns(line, cells));
  } else if (header || std::ranges::any_of(columns(), [&](const std::string& name) {
               return !is_number(name) && holds(cells, name);
             })) {
    SLUICE_RETURN_IF_ERROR(find_columns(line, cells));
  } else {
    if (!format_.ignored.empty() || !format_.target.empty()) {
      return wrong(line, "no header, in which --target and --ignore could name columns");
    }
    for (size_t i = 0; i < cells.size(); ++i) places_.push_back(i);
  }
  SLUICE_RETURN_IF_ERROR(check_count(line, cells, header));
  return header;
}

Status InputTable::take(int64_t line, Cells cells, std::vector<float>& rows) {
  bool is_first = places_.empty();
  if (is_first) {
    SLUICE_ASSIGN_OR_RETURN(const bool is_header, read_first(line, cells));
    if (is_header) return ok_status();
  }
  if (cells.size() != places_.size()) {
    return wrong(line,
                 fmt::format("{}, but {} in the first line",
                             core::counted(static_cast<int64_t>(cells.size()), "cell", "cells"),
                             places_.size()));
  }
  const size_t begin = rows.size();
  rows.resize(begin + size());
  const float scale = format_.preprocessing ? format_.preprocessing->scale.value_or(1) : 1;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (places_[i] == kNowhere) continue;
    const auto number = to_float(cells[i]);
    if (!number) {
      rows.resize(begin);
      return wrong(line, fmt::format("cell {}: expected a finite number, found {}{}{}", i + 1,
                                     excerpt(cells[i]), hint_for(cells[i]),
                                     is_first && !is_number(cells[i])
                                         ? "; a header has no numbers beside its names"
                                         : ""));
    }
    rows[begin + places_[i]] = *number * scale;
  }
  return ok_status();
}

}  // namespace sluice::data
