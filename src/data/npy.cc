#include "data/npy.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <limits>
#include <utility>

#include "core/byte_order.h"
#include "core/short_float.h"
#include "data/csv_cells.h"

namespace sluice::data {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kVersionEnd = kMagic.size() + 2;
constexpr size_t kMostAxes = 32;  // as many as numpy has
constexpr size_t kLongestText = size_t{1} << 16;

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

// The product, or nullopt where it is beyond what a file can have.
std::optional<uint64_t> product_of(const std::vector<int64_t>& sizes, size_t number_bytes) {
  uint64_t product = number_bytes;
  bool is_empty = false;
  for (const int64_t size : sizes) {
    is_empty |= size == 0;
    if (__builtin_mul_overflow(product, static_cast<uint64_t>(std::max<int64_t>(size, 1)),
                               &product)) {
      return std::nullopt;
    }
  }
  if (product > uint64_t{std::numeric_limits<int64_t>::max()}) return std::nullopt;
  return is_empty ? 0 : product;
}

struct Half {
  uint16_t bits;
  explicit operator float() const { return core::from_half(bits); }
};

template <typename Number>
void convert(const char* bytes, float& value) {
  Number number;
  std::memcpy(&number, bytes, sizeof number);
  value = static_cast<float>(number);
}

struct Type {
  std::string_view name;
  size_t bytes;
  void (*read)(const char*, float&);
};

constexpr Type kTypes[] = {
    {"f4", 4, convert<float>},    {"f8", 8, convert<double>},   {"f2", 2, convert<Half>},
    {"u1", 1, convert<uint8_t>},  {"i1", 1, convert<int8_t>},   {"b1", 1, convert<uint8_t>},
    {"i2", 2, convert<int16_t>},  {"u2", 2, convert<uint16_t>}, {"i4", 4, convert<int32_t>},
    {"u4", 4, convert<uint32_t>}, {"i8", 8, convert<int64_t>},  {"u8", 8, convert<uint64_t>}};

// Of '<f4': null where it is none of these. `text` has its quotes.
const Type* type_of(std::string_view text) {
  if (text.size() != 5 || text.front() != '\'' || text.back() != '\'') return nullptr;
  for (const Type& type : kTypes) {
    const bool has_order = text[1] == '<' || text[1] == '>' || text[1] == '=';
    if (text.substr(2, 2) == type.name && (has_order || (text[1] == '|' && type.bytes == 1))) {
      return &type;
    }
  }
  return nullptr;
}

// The value up to its own end: a text in quotes, or what stands before the next comma.
std::string_view whole_value(std::string_view value) {
  if (!value.starts_with('\'')) return value.substr(0, value.find_first_of(",} "));
  const size_t end = value.find('\'', 1);
  return end == std::string_view::npos ? value : value.substr(0, end + 1);
}

std::string_view without_quotes(std::string_view text) {
  const bool has_quotes = text.size() > 1 && text.front() == '\'' && text.back() == '\'';
  return has_quotes ? text.substr(1, text.size() - 2) : text;
}

// What numpy calls such a type, of '|O' or '<c8'.
std::string_view words_for(std::string_view type) {
  const char kind = type.size() > 2 && type[0] == '\'' ? type[2] : '[';
  switch (kind) {
    case 'O':
      return ", Python objects";
    case 'c':
      return ", complex numbers";
    case 'f':
      return ", long double";
    case 'S':
    case 'U':
      return ", texts";
    case 'M':
    case 'm':
      return ", times";
    case '[':
      return ", records of several fields";
    default:
      return "";
  }
}

// How long the dictionary is and where it begins; nullopt: more bytes are needed.
std::optional<std::pair<size_t, size_t>> place_of_text(std::string_view begin) {
  const size_t length_bytes = begin.size() > kMagic.size() && begin[kMagic.size()] != 1 ? 4 : 2;
  if (begin.size() < kVersionEnd + length_bytes) return std::nullopt;
  uint32_t length = 0;
  std::memcpy(&length, begin.data() + kVersionEnd, length_bytes);
  return std::pair<size_t, size_t>(kVersionEnd + length_bytes, length);
}

}  // namespace

void NpyHeader::read(const char* bytes, std::span<float> values) const {
  std::array<char, 8> swapped{};
  for (float& value : values) {
    if (is_swapped) {
      std::reverse_copy(bytes, bytes + number_bytes, swapped.begin());
      read_number(swapped.data(), value);
    } else {
      read_number(bytes, value);
    }
    bytes += number_bytes;
  }
}

bool is_npy(std::string_view begin) { return begin.starts_with(kMagic); }

Result<std::optional<NpyHeader>> parse_npy_header(const std::string& path, std::string_view begin) {
  const auto wrong = [&](const std::string& what) { return invalid_argument(path + ": " + what); };
  if (!is_npy(begin)) return wrong("expected a .npy file of numpy's, found none");
  const auto place = place_of_text(begin);
  if (!place) return std::optional<NpyHeader>();
  const auto [at, length] = *place;
  if (length > kLongestText) {
    return wrong(
        fmt::format("a .npy file's header of {} bytes; expected {} at most", length, kLongestText));
  }
  if (begin.size() < at + length) return std::optional<NpyHeader>();
  const std::string_view text = begin.substr(at, length);
  const std::string_view type_name = whole_value(value_of(text, "descr"));
  const Type* type = type_of(type_name);
  if (type == nullptr) {
    return wrong(
        fmt::format("expected an array of numbers (numpy: np.asarray(x, \"float32\")), "
                    "found the type {}{}",
                    excerpt(without_quotes(type_name)), words_for(type_name)));
  }
  const std::string_view order = whole_value(value_of(text, "fortran_order"));
  const auto sizes = sizes_of(value_of(text, "shape"));
  if (!sizes) return wrong("expected a shape, found " + excerpt(value_of(text, "shape")));
  if (order != "False" && order != "True") {
    return wrong("expected fortran_order True or False, found " + excerpt(order));
  }
  const auto bytes = product_of(*sizes, type->bytes);
  if (!bytes) return wrong("an array " + Shape(*sizes).to_string() + ", larger than any file");
  NpyHeader header{.shape = Shape(*sizes),
                   .is_fortran = order == "True" && sizes->size() > 1,
                   .size = at + length,
                   .number_bytes = type->bytes,
                   .numbers_size = *bytes};
  header.read_number = type->read;
  header.is_swapped = type_name[1] == '>' && type->bytes > 1;
  return std::optional(header);
}

Status wrong_npy_size(const std::string& path, const NpyHeader& header, uint64_t bytes) {
  return data_loss(
      fmt::format("{}: its header says {} numbers of {} bytes, but {} bytes follow; it is cut "
                  "short or damaged",
                  path, header.shape.to_string(), header.number_bytes, bytes));
}

std::vector<size_t> fortran_places(std::span<const int64_t> sizes) {
  std::vector<size_t> places = {0};
  size_t stride = 1;
  for (const int64_t size : sizes) {
    std::vector<size_t> more;
    more.reserve(places.size() * static_cast<size_t>(size));
    for (const size_t place : places) {
      for (int64_t i = 0; i < size; ++i) more.push_back(place + static_cast<size_t>(i) * stride);
    }
    places = std::move(more);
    stride *= static_cast<size_t>(size);
  }
  return places;
}

Result<Npy> parse_npy(const std::string& path, std::string_view file) {
  SLUICE_ASSIGN_OR_RETURN(const auto header, parse_npy_header(path, file));
  if (!header) return data_loss(path + ": a .npy file that ends within its header");
  const std::string_view bytes = file.substr(header->size);
  if (bytes.size() != header->numbers_size) return wrong_npy_size(path, *header, bytes.size());
  Npy npy{header->shape, std::vector<float>(bytes.size() / header->number_bytes)};
  header->read(bytes.data(), npy.values);
  if (header->is_fortran) {
    std::vector<float> ordered;
    ordered.reserve(npy.values.size());
    for (const size_t place : fortran_places(npy.shape.dims()))
      ordered.push_back(npy.values[place]);
    npy.values = std::move(ordered);
  }
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
