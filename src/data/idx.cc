#include "data/idx.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/file_io.h"
#include "data/gzip.h"

namespace sluice::data {
namespace {

struct Kind {
  uint32_t magic;
  uint32_t dimensions;
  const char* what;
  const char* read;

  constexpr size_t header_bytes() const { return 4 + 4 * dimensions; }
};
constexpr Kind kImages{2051, 3, "images", "grey pictures of bytes, [records, rows, columns]"};
constexpr Kind kLabels{2049, 1, "labels", "class numbers of bytes, [records]"};

struct IdxFile {
  PlainFile bytes;
  std::vector<uint64_t> dims;
  uint64_t header_bytes;

  SourceFile source() const {
    return {core::absolute_path(bytes.file->path()), bytes.file->stamp()};
  }
};

uint32_t big_endian(std::span<const std::byte> bytes, size_t word) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i)
    value = value << 8 | std::to_integer<uint32_t>(bytes[4 * word + i]);
  return value;
}

// The size of a whole file that begins like this; nullopt when no file can be that large.
std::optional<uint64_t> whole_size(std::span<const std::byte> header, const Kind& kind) {
  uint64_t size = 1;
  for (size_t d = 0; d < kind.dimensions; ++d) {
    if (__builtin_mul_overflow(size, uint64_t{big_endian(header, 1 + d)}, &size)) return {};
  }
  if (size > uint64_t{std::numeric_limits<int64_t>::max()} - kind.header_bytes()) return {};
  return size + kind.header_bytes();
}

// An IDX file's first two bytes are 0; then come its elements' type and the number of dimensions.
struct ElementType {
  uint32_t code;
  const char* name;
};
constexpr ElementType kOtherElements[] = {{0x09, "signed bytes"},
                                          {0x0B, "16-bit integers"},
                                          {0x0C, "32-bit integers"},
                                          {0x0D, "32-bit floats"},
                                          {0x0E, "64-bit floats"}};
constexpr uint32_t kBytes = 0x08;

// What a valid IDX file of this magic number has that none of `kind` has; empty: it is no IDX file.
std::string another_idx(uint32_t magic, const Kind& kind) {
  const uint32_t code = magic >> 8, dimensions = magic & 0xFF;
  if (dimensions == 0) return "";
  if (code == kBytes) {
    return fmt::format("has {} dimension{}{}", dimensions, dimensions == 1 ? "" : "s",
                       kind.magic == kImages.magic && dimensions == 4 ? " (colour?)" : "");
  }
  for (const ElementType& type : kOtherElements) {
    if (type.code == code) return fmt::format("has elements that are {}", type.name);
  }
  return "";
}

Status check_header(const std::string& path, std::span<const std::byte> bytes, const Kind& kind) {
  const auto found = [&](const std::string& what) {
    return fmt::format("{}: expected an IDX file of {} (magic number {}), found {}", path,
                       kind.what, kind.magic, what);
  };
  if (bytes.empty()) return data_loss(found("an empty file: get the file again"));
  if (bytes.size() < 4) {
    return data_loss(found(fmt::format("{} bytes: get the file again", bytes.size())));
  }
  const uint32_t magic = big_endian(bytes, 0);
  if (magic != kind.magic) {
    const Kind& other = kind.magic == kImages.magic ? kLabels : kImages;
    if (magic == other.magic) {
      return invalid_argument(
          found(fmt::format("one of {}: exchange the two files' names", other.what)));
    }
    if (const std::string what = another_idx(magic, kind); !what.empty()) {
      return invalid_argument(
          fmt::format("{}: {}: only {}, are read from IDX files; "
                      "a program can use Dataset::from_arrays",
                      path, what, kind.read));
    }
    return invalid_argument(
        found(fmt::format("magic number {}: check the path, or get the file again", magic)));
  }
  if (bytes.size() < kind.header_bytes()) {
    return data_loss(found(fmt::format("only {} bytes of its {}-byte header: get the file again",
                                       bytes.size(), kind.header_bytes())));
  }
  for (size_t d = 0; d < kind.dimensions; ++d) {
    if (big_endian(bytes, 1 + d) == 0) {
      return data_loss(
          fmt::format("{}: expected at least one record, found dimension {} of size 0: get the "
                      "file again",
                      path, d));
    }
  }
  if (!whole_size(bytes, kind)) {
    return data_loss(path +
                     ": the header's dimensions are larger than any file: get the file again");
  }
  return ok_status();
}

Result<IdxFile> open_idx(const std::string& path, const Kind& kind) {
  const auto check_prefix = [&](std::span<const std::byte> prefix) -> Result<uint64_t> {
    SLUICE_RETURN_IF_ERROR(check_header(path, prefix, kind));
    return *whole_size(prefix, kind);
  };
  SLUICE_ASSIGN_OR_RETURN(PlainFile file, open_maybe_gzip(path, check_prefix));
  std::array<std::byte, kImages.header_bytes()> buffer{};
  const auto header = std::span(buffer).first(std::min<uint64_t>(kind.header_bytes(), file.size()));
  SLUICE_RETURN_IF_ERROR(file.read(0, header));
  SLUICE_RETURN_IF_ERROR(check_header(path, header, kind));
  const uint64_t expected = *whole_size(header, kind);
  if (file.size() != expected) {
    return data_loss(
        fmt::format("{}: expected {} bytes for {} {}, found {}: {}; get the file again", path,
                    expected, big_endian(header, 1), kind.what, file.size(),
                    file.size() < expected ? "it is cut short" : "bytes are left over"));
  }
  IdxFile idx{.bytes = std::move(file), .dims = {}, .header_bytes = kind.header_bytes()};
  for (size_t d = 0; d < kind.dimensions; ++d) idx.dims.push_back(big_endian(header, 1 + d));
  return idx;
}

Result<std::vector<int32_t>> read_labels(const std::string& path, const IdxFile& idx, int classes) {
  std::vector<std::byte> values(idx.dims[0]);
  SLUICE_RETURN_IF_ERROR(idx.bytes.read(idx.header_bytes, values));
  SLUICE_RETURN_IF_ERROR(idx.bytes.file->check_unchanged());
  std::vector<int32_t> labels(values.size());
  for (size_t i = 0; i < labels.size(); ++i) {
    labels[i] = std::to_integer<int32_t>(values[i]);
    if (labels[i] >= classes) {
      return data_loss(
          fmt::format("{}: record {} has label {}, expected 0 to {}: get the file again", path, i,
                      labels[i], classes - 1));
    }
  }
  return labels;
}

// What Records over a pair of IDX files must keep alive.
struct IdxStorage {
  std::shared_ptr<const core::MappedFile> images;  // where they were compressed
  std::vector<int32_t> labels;
};

std::shared_ptr<const Records> make_records(const IdxFile& images, RecordsInfo info,
                                            std::vector<int32_t> labels) {
  auto storage = std::make_shared<const IdxStorage>(
      IdxStorage{.images = images.bytes.unpacked, .labels = std::move(labels)});
  info.sample_shape =
      Shape{static_cast<int64_t>(images.dims[1]), static_cast<int64_t>(images.dims[2]), 1};
  info.records = static_cast<int64_t>(images.dims[0]);
  Features features;
  if (storage->images) {
    features.memory = storage->images->bytes().subspan(images.header_bytes);
  } else {
    features.file = images.bytes.file;
    features.offset = images.header_bytes;
  }
  return std::make_shared<const Records>(std::move(info), std::move(features),
                                         Targets{.labels = storage->labels}, storage);
}

}  // namespace

Result<std::shared_ptr<const Records>> read_idx_images(const std::string& path) {
  SLUICE_ASSIGN_OR_RETURN(const IdxFile images, open_idx(path, kImages));
  RecordsInfo info;
  info.name = path;
  info.classes = 1;
  info.origin = path;
  return make_records(images, std::move(info), std::vector<int32_t>(images.dims[0]));
}

Result<std::shared_ptr<const Records>> read_idx(const std::string& images_path,
                                                const std::string& labels_path,
                                                const IdxOptions& options) {
  SLUICE_ASSIGN_OR_RETURN(IdxFile images, open_idx(images_path, kImages));
  SLUICE_ASSIGN_OR_RETURN(IdxFile labels, open_idx(labels_path, kLabels));
  if (images.dims[0] != labels.dims[0]) {
    return data_loss(
        fmt::format("{} has {} images but {} has {} labels: get the two files from the same place",
                    images_path, images.dims[0], labels_path, labels.dims[0]));
  }
  SLUICE_ASSIGN_OR_RETURN(auto values, read_labels(labels_path, labels, options.classes));
  RecordsInfo info;
  info.name = options.name;
  info.classes = options.classes;
  info.origin = images_path;
  info.source = {.kind = "idx", .files = {images.source(), labels.source()}};
  return make_records(images, std::move(info), std::move(values));
}

}  // namespace sluice::data
