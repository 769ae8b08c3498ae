#include "data/npy.h"

#include <fmt/core.h>

#include <charconv>
#include <cstdint>
#include <cstring>
#include <optional>

#include "core/byte_order.h"
#include "core/short_float.h"
#include "data/csv_cells.h"

namespace sluice::data {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kVersionEnd = kMagic.size() + 2;
constexpr size_t kMostAxes = 32;  // as many as numpy has

// What stands in the header, and where the array begins.
struct Header {
  std::string_view text;
  size_t end = 0;
};

std::optional<Header> header_of(std::string_view file) {
  if (!is_npy(file) || file.size() < kVersionEnd + 4) return std::nullopt;
  const size_t begin = kVersionEnd + (file[kMagic.size()] == 1 ? 2 : 4);
  uint32_t length = 0;
  std::memcpy(&length, file.data() + kVersionEnd, begin - kVersionEnd);
  if (file.size() - begin < length) return std::nullopt;
  return Header{file.substr(begin, length), begin + length};
}

// What follows 'key':, without spaces before it; empty where there is no such key.
std::string_view value_of(std::string_view header, std::string_view key) {
  const size_t at = header.find(fmt::format("'{}':", key));
  if (at == std::string_view::npos) return {};
  const size_t begin = header.find_first_not_of(' ', at + key.size() + 3);
  return begin == std::string_view::npos ? std::string_view() : header.substr(begin);
}

// From "(2, 3), }": sizes behind each other, each but the last with a comma.
std::optional<std::vector<int64_t>> sizes_of(std::string_view text) {
  if (!text.starts_with('(') || text.find(')') == std::string_view::npos) return std::nullopt;
  text = text.substr(1, text.find(')') - 1);
  std::vector<int64_t> sizes;
  while (text.find_first_not_of(' ') != std::string_view::npos) {
    text.remove_prefix(text.find_first_not_of(' '));
    int64_t size = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
    if (error != std::errc() || size < 0 || sizes.size() == kMostAxes) return std::nullopt;
    sizes.push_back(size);
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    if (text.starts_with(',')) {
      text.remove_prefix(1);
    } else if (!text.empty()) {
      return std::nullopt;
    }
  }
  return sizes;
}

// The product, or nullopt where it exceeds `most`.
std::optional<size_t> product_of(const std::vector<int64_t>& sizes, size_t most) {
  size_t product = 1;
  for (const int64_t size : sizes) {
    if (size == 0) return 0;
    if (product > most / static_cast<size_t>(size)) return std::nullopt;
    product *= static_cast<size_t>(size);
  }
  return product;
}

template <typename Number>
void convert(const char* bytes, std::vector<float>& values) {
  for (float& value : values) {
    Number number;
    std::memcpy(&number, bytes, sizeof number);
    bytes += sizeof number;
    if constexpr (std::is_same_v<Number, uint16_t>) {
      value = core::from_half(number);
    } else {
      value = static_cast<float>(number);
    }
  }
}

struct Type {
  std::string_view name;
  size_t bytes;
  void (*read)(const char*, std::vector<float>&);
};

struct Unsigned16 {
  uint16_t number;
  explicit operator float() const { return number; }
};

constexpr Type kTypes[] = {
    {"<f4", 4, convert<float>},    {"<f8", 8, convert<double>},     {"<f2", 2, convert<uint16_t>},
    {"|u1", 1, convert<uint8_t>},  {"|i1", 1, convert<int8_t>},     {"|b1", 1, convert<uint8_t>},
    {"<i2", 2, convert<int16_t>},  {"<u2", 2, convert<Unsigned16>}, {"<i4", 4, convert<int32_t>},
    {"<u4", 4, convert<uint32_t>}, {"<i8", 8, convert<int64_t>},    {"<u8", 8, convert<uint64_t>},
};

const Type* type_of(std::string_view header) {
  const std::string_view value = value_of(header, "descr");
  for (const Type& type : kTypes) {
    if (value.starts_with(fmt::format("'{}'", type.name))) return &type;
  }
  return nullptr;
}

}  // namespace

bool is_npy(std::string_view begin) { return begin.starts_with(kMagic); }

Result<Npy> parse_npy(const std::string& path, std::string_view file) {
  const std::optional<Header> header = header_of(file);
  if (!header) return invalid_argument(path + ": expected a .npy file of numpy's, found none");
  const Type* type = type_of(header->text);
  if (type == nullptr || !value_of(header->text, "fortran_order").starts_with("False")) {
    return invalid_argument(
        fmt::format("{}: expected an array of numbers, little-endian and row-major (numpy: "
                    "np.ascontiguousarray(x, \"float32\")), found {}",
                    path, excerpt(header->text)));
  }
  const auto sizes = sizes_of(value_of(header->text, "shape"));
  if (!sizes) {
    return invalid_argument(
        fmt::format("{}: expected a shape, found {}", path, excerpt(header->text)));
  }
  const size_t bytes = file.size() - header->end;
  const auto count = product_of(*sizes, bytes / type->bytes);
  if (!count || *count * type->bytes != bytes) {
    return data_loss(
        fmt::format("{}: its header says {} numbers of {} bytes, but {} bytes follow; it is cut "
                    "short or damaged",
                    path, Shape(*sizes).to_string(), type->bytes, bytes));
  }
  Npy npy{Shape(*sizes), std::vector<float>(*count)};
  type->read(file.data() + header->end, npy.values);
  return npy;
}

std::string npy_header(const Shape& shape) {
  std::string sizes;
  for (const int64_t size : shape.dims()) sizes += fmt::format("{}, ", size);
  if (shape.rank() > 1) sizes.resize(sizes.size() - 2);
  if (shape.rank() == 1) sizes.resize(sizes.size() - 1);
  std::string text =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}", sizes);
  // Numbers begin at a multiple of 64 bytes.
  const size_t front = kVersionEnd + 2;
  text.resize((front + text.size() + 1 + 63) / 64 * 64 - front - 1, ' ');
  text += '\n';
  std::string header = std::string(kMagic) + std::string("\x01\x00", 2);
  const auto length = static_cast<uint16_t>(text.size());
  header.append(reinterpret_cast<const char*>(&length), sizeof length);
  return header + text;
}

}  // namespace sluice::data
