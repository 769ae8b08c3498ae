#include "data/weights_file.h"

#include <fmt/core.h>

#include <cstddef>
#include <cstring>
#include <regex>
#include <span>
#include <string_view>

#include "core/byte_order.h"
#include "core/count_text.h"
#include "core/input_file.h"
#include "data/csv_cells.h"
#include "data/csv_rows.h"
#include "data/gzip.h"
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
    } else if (first && !number) {
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

template <typename Number>
std::vector<float> as_floats(std::string_view bytes) {
  std::vector<float> numbers(bytes.size() / sizeof(Number));
  for (size_t i = 0; i < numbers.size(); ++i) {
    Number number;
    std::memcpy(&number, bytes.data() + i * sizeof(Number), sizeof(Number));
    numbers[i] = static_cast<float>(number);
  }
  return numbers;
}

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kVersionEnd = kMagic.size() + 2;
constexpr size_t kLongestHeader = 4096;  // numpy's has 118 bytes; a regex recurses over it

// Where the array begins, and what stands in the header before it; empty: no .npy file.
std::string_view npy_header(std::string_view bytes, size_t& end) {
  if (!bytes.starts_with(kMagic) || bytes.size() < kVersionEnd + 4) return {};
  const bool is_first_version = bytes[kMagic.size()] == 1;
  const size_t begin = kVersionEnd + (is_first_version ? 2 : 4);
  uint32_t length = 0;
  std::memcpy(&length, bytes.data() + kVersionEnd, begin - kVersionEnd);
  if (length > kLongestHeader || bytes.size() - begin < length) return {};
  end = begin + length;
  return bytes.substr(begin, length);
}

Result<std::vector<float>> read_npy(const core::InputFile& file, int64_t records) {
  const std::string& path = file.path();
  std::string bytes;
  SLUICE_RETURN_IF_ERROR(file.read_all([&](std::span<const std::byte> piece) {
    bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return ok_status();
  }));
  size_t begin = 0;
  const std::string header(npy_header(bytes, begin));
  static const std::regex kType(R"('descr': *'<f([48])')");
  static const std::regex kShape(R"('shape': *\((\d{1,15}), *1?\))");
  std::smatch type, shape;
  if (!std::regex_search(header, type, kType) || !std::regex_search(header, shape, kShape)) {
    return wrong(path, fmt::format("expected numpy's vector of float32 or float64, found {}",
                                   header.empty() ? "no .npy file" : excerpt(header)));
  }
  SLUICE_RETURN_IF_ERROR(check_count(path, records, std::stoull(shape[1])));
  const size_t width = type[1] == "4" ? 4 : 8;
  if (bytes.size() - begin != static_cast<size_t>(records) * width) {
    return wrong(path, fmt::format("expected {} bytes behind its header, found {}",
                                   static_cast<size_t>(records) * width, bytes.size() - begin));
  }
  const std::string_view numbers = std::string_view(bytes).substr(begin);
  return width == 4 ? as_floats<float>(numbers) : as_floats<double>(numbers);
}

}  // namespace

Result<std::vector<float>> read_weights(const std::string& path, int64_t records) {
  SLUICE_ASSIGN_OR_RETURN(const auto file, core::InputFile::open(path));
  SLUICE_ASSIGN_OR_RETURN(
      auto weights, path.ends_with(".npy") ? read_npy(*file, records) : read_lines(*file, records));
  if (const std::string bad = check_weights(weights); !bad.empty()) return wrong(path, bad);
  return weights;
}

}  // namespace sluice::data
