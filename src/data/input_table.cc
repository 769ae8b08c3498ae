// Rows of tables, and lines, as records.
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "core/count_text.h"
#include "core/json_text.h"
#include "data/csv_cells.h"
#include "data/inputs.h"

namespace sluice::data {
namespace {

using Json = nlohmann::ordered_json;

bool are_numbers(std::span<const std::string_view> cells) {
  return std::ranges::all_of(cells,
                             [](std::string_view cell) { return to_float(cell).has_value(); });
}

// Of an array, nested or not. False: there is something else in it.
bool append_numbers(const Json& json, std::vector<float>& row) {
  if (json.is_number()) {
    row.push_back(json.get<float>());
    return true;
  }
  return json.is_array() &&
         std::ranges::all_of(json, [&](const Json& item) { return append_numbers(item, row); });
}

}  // namespace

Status InputTable::wrong(int64_t line, const std::string& what) const {
  return invalid_argument(fmt::format("{}: line {}: {}", name_, line, what));
}

// Columns by the names that the model was trained with; of a model that knows none, the header has
// as many as a record.
Status InputTable::read_header(std::span<const std::string_view> cells) {
  if (!format_.preprocessing || format_.preprocessing->columns.empty()) {
    for (size_t i = 0; i < cells.size(); ++i) places_.push_back(i);
    return ok_status();
  }
  const std::vector<std::string>& columns = format_.preprocessing->columns;
  std::vector<bool> found(columns.size());
  for (const std::string_view cell : cells) {
    const auto column = std::find(columns.begin(), columns.end(), cell);
    places_.push_back(kNowhere);
    if (column == columns.end()) continue;
    const auto place = static_cast<size_t>(column - columns.begin());
    if (found[place]) return wrong(1, fmt::format("the column {} twice", excerpt(cell)));
    found[place] = true;
    places_.back() = place;
  }
  for (size_t i = 0; i < columns.size(); ++i) {
    if (found[i]) continue;
    return wrong(1, fmt::format("no column {}, which the model was trained with; it has {}",
                                excerpt(columns[i]), list_names({cells.begin(), cells.end()})));
  }
  return ok_status();
}

Status InputTable::take(int64_t line, std::span<const std::string_view> cells,
                        std::vector<float>& rows) {
  if (places_.empty()) {
    const bool is_header = !are_numbers(cells);
    if (is_header) {
      SLUICE_RETURN_IF_ERROR(read_header(cells));
    } else {
      for (size_t i = 0; i < cells.size(); ++i) places_.push_back(i);
    }
    const auto features = static_cast<size_t>(
        std::ranges::count_if(places_, [](size_t place) { return place != kNowhere; }));
    if (features != size()) {
      return wrong(
          line,
          fmt::format("{}, but the model takes {}",
                      core::counted(static_cast<int64_t>(features), "number", "numbers"), size()));
    }
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
  const float scale = format_.preprocessing ? format_.preprocessing->scale : 1;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (places_[i] == kNowhere) continue;
    const auto number = to_float(cells[i]);
    if (!number) {
      rows.resize(begin);
      return wrong(line, fmt::format("expected a finite number, found {}", excerpt(cells[i])));
    }
    rows[begin + places_[i]] = *number * scale;
  }
  return ok_status();
}

InputLines::InputLines(std::string name, InputFormat format, RowSink sink)
    : name_(std::move(name)),
      format_(std::move(format)),
      sink_(std::move(sink)),
      table_(name_, format_) {}

Status InputLines::take(std::string_view line) {
  ++line_;
  if (line.ends_with('\r')) line.remove_suffix(1);
  const size_t begin = line.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return ok_status();
  if (line[begin] != '[') {
    if (!cells_) {
      cells_ = std::make_unique<CsvRows>(name_, find_separator(line),
                                         [this](int64_t, std::span<const std::string_view> cells) {
                                           return table_.take(line_, cells, rows_);
                                         });
    }
    SLUICE_RETURN_IF_ERROR(cells_->feed(line));
    return cells_->feed("\n");
  }
  std::vector<float> row;
  const auto wrong = [&](const std::string& what) {
    return invalid_argument(fmt::format("{}: line {}: {}", name_, line_, what));
  };
  try {
    if (!append_numbers(core::parse_json(line), row)) {
      return wrong("expected numbers in the array, found something else");
    }
  } catch (const std::invalid_argument& error) {
    return wrong(error.what());
  }
  const auto size = static_cast<size_t>(format_.shape.size());
  if (row.size() != size) {
    return wrong(fmt::format("{}, but the model takes {}",
                             core::counted(static_cast<int64_t>(row.size()), "number", "numbers"),
                             size));
  }
  const float scale = format_.preprocessing ? format_.preprocessing->scale : 1;
  for (const float value : row) rows_.push_back(value * scale);
  return ok_status();
}

Status InputLines::feed(std::string_view text) {
  Status taken;
  for (size_t end; taken.ok() && (end = text.find('\n')) != std::string_view::npos;) {
    rest_.append(text.substr(0, end));
    text.remove_prefix(end + 1);
    taken = take(std::exchange(rest_, {}));
  }
  rest_.append(text);
  // What came before a bad line counts.
  if (!rows_.empty()) SLUICE_RETURN_IF_ERROR(sink_(std::exchange(rows_, {})));
  return taken;
}

Status InputLines::finish() {
  if (!rest_.empty()) SLUICE_RETURN_IF_ERROR(feed("\n"));
  return cells_ ? cells_->finish() : ok_status();
}

}  // namespace sluice::data
