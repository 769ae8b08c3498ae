#include "data/inputs.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/count_text.h"
#include "core/file_io.h"
#include "core/input_file.h"
#include "data/csv_cells.h"
#include "data/gzip.h"
#include "data/idx.h"
#include "data/npy.h"
#include "data/picture.h"

namespace sluice::data {
namespace {

constexpr size_t kFloatsAtOnce = size_t{1} << 20;

Status wrong(const std::string& path, const std::string& what) {
  return invalid_argument(path + ": " + what);
}

// The kinds of files whose bytes mean nothing by themselves.
Result<float> scale_of(const std::string& path, const InputFormat& format) {
  if (format.preprocessing) return format.preprocessing->scale;
  return wrong(path,
               "the model does not say what its dataset did to bytes of images; say it: --scale "
               "1/255, or --scale 1 for a model that begins with Rescaling");
}

Status read_array(const std::string& path, std::string_view file, const InputFormat& format,
                  const RowSink& sink) {
  SLUICE_ASSIGN_OR_RETURN(const Npy npy, parse_npy(path, file));
  std::vector<int64_t> sizes = npy.shape.dims();
  if (npy.shape != format.shape) {
    if (!sizes.empty()) sizes.erase(sizes.begin());
    if (npy.shape.rank() == 0 || Shape(sizes) != format.shape) {
      return wrong(path, fmt::format("an array {}, but the model takes {} (behind the records)",
                                     npy.shape.to_string(), format.shape.to_string()));
    }
  }
  return npy.values.empty() ? wrong(path, "an array of no records") : sink(npy.values);
}

Status read_images(const std::string& path, const InputFormat& format, const RowSink& sink) {
  SLUICE_ASSIGN_OR_RETURN(auto images, read_idx_images(path));
  RecordsInfo info = images->info();
  if (info.sample_shape.size() != format.shape.size()) {
    return wrong(path, fmt::format("images {}, but the model takes {}",
                                   info.sample_shape.to_string(), format.shape.to_string()));
  }
  SLUICE_ASSIGN_OR_RETURN(info.scale, scale_of(path, format));
  images = images->with_info(info);
  const auto row = static_cast<size_t>(info.sample_shape.size());
  const size_t at_once = std::max<size_t>(1, kFloatsAtOnce / row);
  std::vector<float> rows;
  std::vector<uint32_t> indices;
  const auto records = static_cast<size_t>(info.records);
  for (size_t begin = 0; begin < records; begin += at_once) {
    indices.resize(std::min(at_once, records - begin));
    std::iota(indices.begin(), indices.end(), static_cast<uint32_t>(begin));
    rows.resize(indices.size() * row);
    images->gather(indices, rows);
    SLUICE_RETURN_IF_ERROR(sink(rows));
  }
  return ok_status();
}

Status read_picture(const std::string& path, std::string_view file, const InputFormat& format,
                    const RowSink& sink) {
  const std::vector<int64_t>& sizes = format.shape.dims();
  if (sizes.size() != 3 || (sizes[2] != 1 && sizes[2] != 3)) {
    return wrong(path, fmt::format("a picture, but the model takes {}; expected [height, width, 1] "
                                   "or [height, width, 3]",
                                   format.shape.to_string()));
  }
  SLUICE_ASSIGN_OR_RETURN(const float scale, scale_of(path, format));
  SLUICE_ASSIGN_OR_RETURN(const Picture picture,
                          decode_picture(path, file, static_cast<int>(sizes[2])));
  std::vector<float> row = resized(picture, sizes[0], sizes[1]);
  for (float& value : row) value *= scale;
  return sink(row);
}

Status read_table(const core::InputFile& file, const InputFormat& format, const RowSink& sink) {
  InputTable table(file.path(), format);
  std::vector<float> rows;
  bool any = false;
  std::unique_ptr<CsvRows> cells;
  const auto take = [&](int64_t line, std::span<const std::string_view> row) -> Status {
    SLUICE_RETURN_IF_ERROR(table.take(line, row, rows));
    any |= !rows.empty();
    if (rows.size() < kFloatsAtOnce) return ok_status();
    SLUICE_RETURN_IF_ERROR(sink(rows));
    rows.clear();
    return ok_status();
  };
  SLUICE_RETURN_IF_ERROR(read_maybe_gzip(file, [&](std::span<const std::byte> piece) {
    const std::string_view text(reinterpret_cast<const char*>(piece.data()), piece.size());
    if (!cells) cells = std::make_unique<CsvRows>(file.path(), find_separator(text), take);
    return cells->feed(text);
  }));
  if (cells) SLUICE_RETURN_IF_ERROR(cells->finish());
  if (!any) return wrong(file.path(), "no records");
  return rows.empty() ? ok_status() : sink(rows);
}

// The first bytes, unpacked where they are packed.
Result<std::string> beginning_of(const core::InputFile& file) {
  std::string bytes(std::min<uint64_t>(16, file.size()), '\0');
  SLUICE_RETURN_IF_ERROR(file.read(0, std::as_writable_bytes(std::span(bytes))));
  if (!is_gzip(std::as_bytes(std::span(bytes)))) return bytes;
  std::string unpacked;
  const Status read = read_maybe_gzip(file, [&](std::span<const std::byte> piece) {
    unpacked.assign(reinterpret_cast<const char*>(piece.data()), piece.size());
    return unavailable("that will do");
  });
  return unpacked.empty() && !read.ok() ? Result<std::string>(read) : unpacked;
}

Result<std::string> all_of(const core::InputFile& file) {
  std::string bytes(file.size(), '\0');
  SLUICE_RETURN_IF_ERROR(file.read(0, std::as_writable_bytes(std::span(bytes))));
  return bytes;
}

// A zero where a text has none: IDX files begin so.
bool is_idx(std::string_view begin) { return begin.size() >= 4 && begin[0] == 0 && begin[1] == 0; }

}  // namespace

Status read_inputs(const std::string& path, const InputFormat& format, const RowSink& sink) {
  SLUICE_ASSIGN_OR_RETURN(const auto file, core::InputFile::open(path));
  SLUICE_ASSIGN_OR_RETURN(const std::string begin, beginning_of(*file));
  if (begin.empty()) return wrong(path, "an empty file");
  if (is_idx(begin)) return read_images(path, format, sink);
  if (is_npy(begin) || is_picture(begin)) {
    SLUICE_ASSIGN_OR_RETURN(const std::string bytes, all_of(*file));
    return is_npy(begin) ? read_array(path, bytes, format, sink)
                         : read_picture(path, bytes, format, sink);
  }
  if (begin.find('\0') != std::string::npos) {
    return wrong(path, "expected .npy, IDX, CSV, JPEG or PNG, found something else");
  }
  return read_table(*file, format, sink);
}

}  // namespace sluice::data
