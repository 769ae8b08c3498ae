#include "data/inputs.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/byte_stream.h"
#include "core/input_file.h"
#include "data/array_records.h"
#include "data/file_kind.h"
#include "data/gzip.h"
#include "data/idx.h"
#include "data/input_picture.h"
#include "data/picture.h"

namespace sluice::data {
namespace {

constexpr size_t kFloatsAtOnce = size_t{1} << 20;

Status wrong(const std::string& path, const std::string& what) {
  return invalid_argument(path + ": " + what);
}

// Whether a model takes such images: axes of size 1 may be missing, and it may take them as rows.
bool takes_images(const Shape& model, const Shape& image) {
  if (model.rank() == 1) return model.size() == image.size();
  const auto wide = [](const Shape& shape) {
    std::vector<int64_t> sizes = shape.dims();
    std::erase(sizes, 1);
    return sizes;
  };
  return wide(model) == wide(image);
}

Status read_images(const std::string& path, const InputFormat& format, const RowSink& sink) {
  SLUICE_ASSIGN_OR_RETURN(auto images, read_idx_images(path));
  RecordsInfo info = images->info();
  if (!takes_images(format.shape, info.sample_shape)) {
    return wrong(path, fmt::format("images {}, but the model takes {}",
                                   info.sample_shape.to_string(), format.shape.to_string()));
  }
  SLUICE_ASSIGN_OR_RETURN(info.scale, scale_of_bytes(path, format));
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

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Hands all of a file, unpacked, to a reader that takes pieces.
template <typename Reader>
Status feed_all(const core::InputFile& file, Reader& reader) {
  SLUICE_RETURN_IF_ERROR(read_maybe_gzip(
      file, [&](std::span<const std::byte> piece) { return reader.feed(text_of(piece)); }));
  return reader.finish();
}

Status read_array(const core::InputFile& file, bool is_packed, const InputFormat& format,
                  const RowSink& sink) {
  ArrayRecords records(file.path(), format.shape, sink, kFloatsAtOnce,
                       is_packed ? std::nullopt : std::optional(file.size()));
  return feed_all(file, records);
}

// The rows of a CSV, which may go on over several lines.
Status read_rows(const core::InputFile& file, const InputFormat& format, const RowSink& sink) {
  InputTable table(file.path(), format);
  std::vector<float> rows;
  std::unique_ptr<CsvRows> cells;
  const auto take = [&](int64_t line, std::span<const std::string_view> row) -> Status {
    SLUICE_RETURN_IF_ERROR(table.take(line, row, rows));
    if (rows.size() < kFloatsAtOnce) return ok_status();
    SLUICE_RETURN_IF_ERROR(sink(rows));
    rows.clear();
    return ok_status();
  };
  SLUICE_RETURN_IF_ERROR(read_maybe_gzip(file, [&](std::span<const std::byte> piece) {
    const std::string_view text = text_of(piece);
    if (!cells) cells = std::make_unique<CsvRows>(file.path(), find_separator(text), take);
    return cells->feed(text);
  }));
  if (cells) SLUICE_RETURN_IF_ERROR(cells->finish());
  return rows.empty() ? ok_status() : sink(rows);
}

// An array or an object, and not a column's name in brackets.
bool is_json(std::string_view begin) {
  constexpr std::string_view kBlanks = " \t\r\n";
  size_t at = begin.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  at = begin.find_first_not_of(kBlanks, at);
  if (at == begin.npos || (begin[at] != '[' && begin[at] != '{')) return false;
  at = begin.find_first_not_of(kBlanks, at + 1);
  return at == begin.npos || std::string_view("\"-0123456789[]{}").find(begin[at]) != begin.npos;
}

Status read_table(const core::InputFile& file, bool are_json, const InputFormat& format,
                  const RowSink& sink) {
  bool any = false;
  const auto noticed = [&](std::span<const float> rows) {
    any = true;
    return sink(rows);
  };
  if (are_json) {
    InputLines lines(file.path(), format, noticed);
    SLUICE_RETURN_IF_ERROR(feed_all(file, lines));
  } else {
    SLUICE_RETURN_IF_ERROR(read_rows(file, format, noticed));
  }
  return any ? ok_status() : wrong(file.path(), "no records");
}

// The first bytes, unpacked where they are packed.
struct Beginning {
  std::string bytes;
  bool is_packed = false;
};
Result<Beginning> beginning_of(const core::InputFile& file) {
  std::string bytes(std::min<uint64_t>(kKindBytes, file.size()), '\0');
  SLUICE_RETURN_IF_ERROR(file.read(0, std::as_writable_bytes(std::span(bytes))));
  if (!is_gzip(std::as_bytes(std::span(bytes)))) return Beginning{bytes, false};
  std::string unpacked;
  const Status read = read_maybe_gzip(file, [&](std::span<const std::byte> piece) {
    unpacked = text_of(piece.first(std::min(piece.size(), kKindBytes)));
    return unavailable("that will do");
  });
  if (unpacked.empty() && !read.ok()) return read;
  return Beginning{unpacked, true};
}

Result<std::string> all_of(const core::InputFile& file) {
  std::string bytes(file.size(), '\0');
  SLUICE_RETURN_IF_ERROR(file.read(0, std::as_writable_bytes(std::span(bytes))));
  return bytes;
}

// A zero where a text has none: IDX files begin so, and kinds that are told by more.
bool is_idx(std::string_view begin) {
  return begin.size() >= 4 && begin[0] == 0 && begin[1] == 0 && begin[2] >= 0x08 &&
         begin[2] <= 0x0E;
}

Result<InputKind> read_file(const std::string& path, const InputFormat& format,
                            const RowSink& sink) {
  SLUICE_ASSIGN_OR_RETURN(const auto file, core::InputFile::open(path));
  SLUICE_ASSIGN_OR_RETURN(const Beginning begin, beginning_of(*file));
  if (begin.bytes.empty()) return wrong(path, "an empty file");
  if (is_idx(begin.bytes)) {
    SLUICE_RETURN_IF_ERROR(read_images(path, format, sink));
    return InputKind::kImages;
  }
  if (is_npy(begin.bytes)) {
    SLUICE_RETURN_IF_ERROR(read_array(*file, begin.is_packed, format, sink));
    return InputKind::kArray;
  }
  if (is_picture(begin.bytes) && !begin.is_packed) {
    SLUICE_ASSIGN_OR_RETURN(const std::string bytes, all_of(*file));
    SLUICE_RETURN_IF_ERROR(read_picture_input(path, bytes, format, sink));
    return InputKind::kPicture;
  }
  const std::string kind = file_kind(begin.bytes);
  if (kind != "text") {
    return wrong(path,
                 fmt::format("expected .npy, IDX, CSV, lines of JSON, JPEG or PNG, found {}{}",
                             begin.is_packed ? "within gzip " : "", kind));
  }
  SLUICE_RETURN_IF_ERROR(read_table(*file, is_json(begin.bytes), format, sink));
  return InputKind::kTable;
}

}  // namespace

Result<InputKind> read_inputs(const std::string& path, const InputFormat& format,
                              const RowSink& sink) {
  if (!core::is_stream(path)) return read_file(path, format, sink);
  InputStream stream(path, format, sink);
  SLUICE_RETURN_IF_ERROR(core::read_stream(
      path, [&](std::span<const std::byte> piece) { return stream.feed(text_of(piece)); }));
  SLUICE_RETURN_IF_ERROR(stream.finish());
  return stream.kind();
}

}  // namespace sluice::data
