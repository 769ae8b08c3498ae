#include "data/weights_file.h"

#include <fmt/core.h>

#include <cstddef>
#include <span>
#include <string_view>

#include "core/count_text.h"
#include "core/input_file.h"
#include "data/csv_cells.h"
#include "data/csv_rows.h"
#include "data/gzip.h"
#include "data/npy.h"
#include "data/records.h"

namespace sluice::data {
namespace {

Status wrong(const std::string& path, std::string_view what) {
  return invalid_argument(fmt::format("{}: {}", path, what));
}

Status bad_line(const std::string& path, int64_t line, std::string_view cell) {
  return wrong(path, fmt::format("line {}: expected a weight, a finite number of at least 0, found "
                                 "{}",
                                 line, excerpt(cell)));
}

Status check_count(const std::string& path, int64_t records, size_t found) {
  if (found == static_cast<size_t>(records)) return ok_status();
  return wrong(path, fmt::format("expected a weight for each of {} to train, found {}",
                                 core::counted(records, "record", "records"), found));
}

Result<std::vector<float>> read_lines(const core::InputFile& file, int64_t records) {
  const std::string& path = file.path();
  std::vector<float> weights;
  std::string name;  // of the column, in the first line
  bool first = true;
  CsvRows rows(path, ',', [&](int64_t line, std::span<const std::string_view> cells) -> Status {
    if (cells.size() != 1) {
      return wrong(path,
                   fmt::format("line {}: expected one number, found {} cells", line, cells.size()));
    }
    const auto number = to_float(cells[0]);
    if (number && *number >= 0) {
      weights.push_back(*number);
    } else if (first && !is_number(cells[0])) {
      name = cells[0];
    } else {
      return bad_line(path, line, cells[0]);
    }
    first = false;
    return ok_status();
  });
  SLUICE_RETURN_IF_ERROR(read_maybe_gzip(file, [&](std::span<const std::byte> piece) {
    return rows.feed({reinterpret_cast<const char*>(piece.data()), piece.size()});
  }));
  SLUICE_RETURN_IF_ERROR(rows.finish());
  if (!name.empty() && weights.size() + 1 == static_cast<size_t>(records)) {
    return bad_line(path, 1, name);  // which would be one of the weights
  }
  SLUICE_RETURN_IF_ERROR(check_count(path, records, weights.size()));
  return weights;
}

Result<std::vector<float>> read_vector(const core::InputFile& file, int64_t records) {
  const std::string& path = file.path();
  std::string bytes;
  SLUICE_RETURN_IF_ERROR(file.read_all([&](std::span<const std::byte> piece) {
    bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return ok_status();
  }));
  SLUICE_ASSIGN_OR_RETURN(Npy npy, parse_npy(path, bytes));
  const std::vector<int64_t>& sizes = npy.shape.dims();
  if (sizes.size() != 1 && (sizes.size() != 2 || sizes[1] != 1)) {
    return wrong(path, "expected a vector, found an array " + npy.shape.to_string());
  }
  SLUICE_RETURN_IF_ERROR(check_count(path, records, npy.values.size()));
  return std::move(npy.values);
}

}  // namespace

Result<std::vector<float>> read_weights(const std::string& path, int64_t records) {
  SLUICE_ASSIGN_OR_RETURN(const auto file, core::InputFile::open(path));
  SLUICE_ASSIGN_OR_RETURN(auto weights, path.ends_with(".npy") ? read_vector(*file, records)
                                                               : read_lines(*file, records));
  if (const std::string bad = check_weights(weights); !bad.empty()) return wrong(path, bad);
  return weights;
}

}  // namespace sluice::data
