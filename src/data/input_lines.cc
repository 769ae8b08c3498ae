// Lines of CSV and JSON as records, as they come.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "core/count_text.h"
#include "core/json_text.h"
#include "data/csv_cells.h"
#include "data/input_picture.h"
#include "data/inputs.h"

namespace sluice::data {
namespace {

using Json = nlohmann::ordered_json;

// Throws std::invalid_argument for what is none, or beyond float32.
float number_of(const Json& json) {
  const float number = json.is_number() ? json.get<float>() : NAN;
  if (std::isfinite(number)) return number;
  throw std::invalid_argument("expected a finite number, found " + core::shown(json));
}

// Of an array, nested or not.
void append_numbers(const Json& json, std::vector<float>& row) {
  if (!json.is_array()) {
    row.push_back(number_of(json));
    return;
  }
  for (const Json& item : json) append_numbers(item, row);
}

// Of an object, in the order of the columns; what is not asked for is passed over.
void append_members(const Json& json, const std::vector<std::string>& columns,
                    std::vector<float>& row) {
  for (const std::string& name : columns) {
    const auto member = json.find(name);
    if (member == json.end()) {
      std::vector<std::string> names;
      for (const auto& item : json.items()) names.push_back(item.key());
      throw std::invalid_argument(fmt::format("no {}, which the model was trained with; it has {}",
                                              excerpt(name),
                                              names.empty() ? "nothing" : list_names(names)));
    }
    try {
      row.push_back(number_of(*member));
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument(fmt::format("{}: {}", excerpt(name), error.what()));
    }
  }
}

}  // namespace

InputLines::InputLines(std::string name, InputFormat format, RowSink sink)
    : name_(std::move(name)),
      format_(std::move(format)),
      sink_(std::move(sink)),
      table_(name_, format_) {}

Status InputLines::wrong(const std::string& what) const {
  return invalid_argument(fmt::format("{}: line {}: {}", name_, line_, what));
}

Status InputLines::take_json(std::string_view line) {
  SLUICE_RETURN_IF_ERROR(check_scale_of_table(name_, format_));
  std::vector<float> row;
  const auto size = static_cast<size_t>(format_.shape.size());
  try {
    const Json json = core::parse_json(line);
    if (json.is_array()) {
      append_numbers(json, row);
    } else if (!format_.preprocessing || format_.preprocessing->columns.empty()) {
      return wrong(
          fmt::format("a JSON object, but the model's file names no columns; expected an "
                      "array of {}",
                      core::counted(static_cast<int64_t>(size), "number", "numbers")));
    } else {
      append_members(json, format_.preprocessing->columns, row);
    }
  } catch (const std::invalid_argument& error) {
    return wrong(error.what());
  }
  if (row.size() != size) {
    return wrong(fmt::format("{}, but the model takes {}",
                             core::counted(static_cast<int64_t>(row.size()), "number", "numbers"),
                             size));
  }
  const float scale = format_.preprocessing ? format_.preprocessing->scale.value_or(1) : 1;
  for (const float value : row) rows_.push_back(value * scale);
  return ok_status();
}

Status InputLines::take(std::string_view line) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (++line_ == 1 && line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
  if (line.ends_with('\r')) line.remove_suffix(1);
  const size_t begin = line.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return ok_status();
  if (line[begin] == '[' || line[begin] == '{') return take_json(line);
  if (!cells_) {
    cells_ = std::make_unique<CsvRows>(name_, find_separator(line),
                                       [this](int64_t, std::span<const std::string_view> cells) {
                                         return table_.take(line_, cells, rows_);
                                       });
  }
  SLUICE_RETURN_IF_ERROR(cells_->feed(line));
  return cells_->feed("\n");
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
