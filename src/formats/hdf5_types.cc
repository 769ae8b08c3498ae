#include "formats/hdf5_types.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/short_float.h"
#include "formats/hdf5_bytes.h"
#include "sluice/errors.h"

namespace sluice::formats {
namespace {

using Kind = Hdf5Type::Kind;

constexpr const char* kClasses[] = {
    "integers",     "floating-point numbers", "times",     "strings",
    "bit fields",   "opaque bytes",           "compounds", "references",
    "enumerations", "variable-length lists",  "arrays"};

// The formats that machines have, and no other: sign, exponent and mantissa as in IEEE 754.
void read_float(Hdf5Cursor& cursor, uint32_t flags, Hdf5Type& type) {
  struct Layout {
    uint32_t size, exponent_at, exponent_bits, mantissa_bits, bias;
    bool is_bfloat16;
  };
  constexpr Layout kLayouts[] = {{2, 10, 5, 10, 15, false},
                                 {2, 7, 8, 7, 127, true},
                                 {4, 23, 8, 23, 127, false},
                                 {8, 52, 11, 52, 1023, false}};
  const uint32_t offset = cursor.word(), precision = cursor.word();
  const uint32_t exponent_at = cursor.byte(), exponent_bits = cursor.byte();
  const uint32_t mantissa_at = cursor.byte(), mantissa_bits = cursor.byte();
  const uint32_t bias = cursor.dword();
  const uint32_t sign_at = flags >> 8 & 0xff, normalization = flags >> 4 & 3;
  for (const Layout& known : kLayouts) {
    if (type.size != known.size || offset != 0 || precision != 8 * type.size || mantissa_at != 0 ||
        exponent_at != known.exponent_at || exponent_bits != known.exponent_bits ||
        mantissa_bits != known.mantissa_bits || bias != known.bias || sign_at != precision - 1 ||
        normalization != 2 || (flags & 0x40) != 0) {
      continue;
    }
    type.kind = Kind::kFloat;
    type.is_bfloat16 = known.is_bfloat16;
    return;
  }
  type.name = fmt::format("floating-point numbers of an unusual form, {} bytes each", type.size);
}

void read_integer(Hdf5Cursor& cursor, uint32_t flags, Hdf5Type& type) {
  const uint32_t offset = cursor.word(), precision = cursor.word();
  type.is_signed = (flags & 8) != 0;
  if (offset == 0 && precision == 8 * type.size && std::has_single_bit(type.size) &&
      type.size <= 8) {
    type.kind = Kind::kInteger;
  } else {
    type.name = fmt::format("integers of {} bits in {} bytes", precision, type.size);
  }
}

template <typename T>
T element(const char* from, bool is_big_endian) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, from, sizeof(T));
  if (is_big_endian) std::reverse(bytes, bytes + sizeof(T));
  return std::bit_cast<T>(bytes);
}

template <typename T, typename Convert>
void convert_each(const Hdf5Type& type, std::span<const char> from, std::span<float> to,
                  Convert convert) {
  for (size_t i = 0; i < to.size(); ++i) {
    to[i] =
        static_cast<float>(convert(element<T>(from.data() + i * sizeof(T), type.is_big_endian)));
  }
}

template <typename T>
void convert_each(const Hdf5Type& type, std::span<const char> from, std::span<float> to) {
  convert_each<T>(type, from, to, [](T value) { return value; });
}

void convert_integers(const Hdf5Type& type, std::span<const char> from, std::span<float> to) {
  switch (type.size) {
    case 1:
      return type.is_signed ? convert_each<int8_t>(type, from, to)
                            : convert_each<uint8_t>(type, from, to);
    case 2:
      return type.is_signed ? convert_each<int16_t>(type, from, to)
                            : convert_each<uint16_t>(type, from, to);
    case 4:
      return type.is_signed ? convert_each<int32_t>(type, from, to)
                            : convert_each<uint32_t>(type, from, to);
    default:
      return type.is_signed ? convert_each<int64_t>(type, from, to)
                            : convert_each<uint64_t>(type, from, to);
  }
}

}  // namespace

Hdf5Type read_hdf5_type(std::span<const char> message) {
  Hdf5Cursor cursor(message, "datatype");
  const uint8_t first = cursor.byte();
  const uint32_t kind = first & 0xf;
  const auto flags = static_cast<uint32_t>(cursor.number(3));
  Hdf5Type type;
  type.size = cursor.dword();
  if (kind > 10 || type.size == 0) cursor.fail();
  type.is_big_endian = kind <= 1 && (flags & 1) != 0;
  if (kind == 0) {
    read_integer(cursor, flags, type);
  } else if (kind == 1) {
    read_float(cursor, flags, type);
  } else if (kind == 3) {
    type.kind = Kind::kString;
  } else if (kind == 5) {
    type.kind = Kind::kOpaque;
  } else if (kind == 9 && (flags & 0xf) == 1 && type.size == 16) {
    type.kind = Kind::kVariableString;
  } else {
    type.name = kClasses[kind];
  }
  return type;
}

uint64_t Hdf5Space::count() const {
  if (is_empty) return 0;
  uint64_t count = 1;
  for (const int64_t size : sizes) {
    uint64_t product;
    if (__builtin_mul_overflow(count, static_cast<uint64_t>(size), &product) ||
        product > uint64_t{1} << 56) {
      throw RuntimeError("is damaged: it has an array of more elements than any machine has room");
    }
    count = product;
  }
  return count;
}

Hdf5Space read_hdf5_space(std::span<const char> message) {
  Hdf5Cursor cursor(message, "dataspace");
  const uint8_t version = cursor.byte();
  const uint8_t rank = cursor.byte();
  cursor.skip(1);  // flags: whether there are maximum sizes, which are not needed
  Hdf5Space space;
  if (version == 1) {
    cursor.skip(5);
  } else if (version == 2) {
    space.is_empty = cursor.byte() == 2;
  } else {
    cursor.fail();
  }
  if (rank > 32) cursor.fail();  // HDF5's own limit
  for (int i = 0; i < rank; ++i) {
    const uint64_t size = cursor.number(8);
    if (size > uint64_t{1} << 56) cursor.fail();
    space.sizes.push_back(static_cast<int64_t>(size));
  }
  return space;
}

std::string text_of(const Hdf5Type& type) {
  switch (type.kind) {
    case Kind::kInteger:
      return fmt::format("{}int{}", type.is_signed ? "" : "u", 8 * type.size);
    case Kind::kFloat:
      return type.is_bfloat16 ? "bfloat16" : fmt::format("float{}", 8 * type.size);
    case Kind::kString:
    case Kind::kVariableString:
      return "strings";
    case Kind::kOpaque:
      return fmt::format("opaque elements of {} bytes", type.size);
    case Kind::kOther:
      break;
  }
  return type.name;
}

bool is_number(const Hdf5Type& type) {
  return type.kind == Kind::kInteger || type.kind == Kind::kFloat;
}

void convert_hdf5(const Hdf5Type& type, std::span<const char> from, std::span<float> to) {
  if (type.kind == Kind::kInteger) return convert_integers(type, from, to);
  if (type.is_bfloat16) return convert_each<uint16_t>(type, from, to, core::from_bfloat16);
  if (type.size == 2) return convert_each<uint16_t>(type, from, to, core::from_half);
  if (type.size == 8) return convert_each<double>(type, from, to);
  if (type.is_big_endian) return convert_each<float>(type, from, to);
  if (!to.empty()) std::memcpy(to.data(), from.data(), to.size_bytes());
}

}  // namespace sluice::formats
