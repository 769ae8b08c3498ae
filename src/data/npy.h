// Numpy's file of one array (https://numpy.org/neps/nep-0001-npy-format.html): a magic number, a
// header that is a Python dictionary, {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), },
// and the numbers: row by row or, in Fortran's order, with the first index running fastest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/shape.h"
#include "sluice/status.h"

namespace sluice::data {

struct NpyHeader {
  Shape shape;                // empty of a single number
  bool is_fortran = false;    // and there is more than one way to lay them out
  size_t size = 0;            // of the header in bytes: where the numbers begin
  size_t number_bytes = 0;    // of each number
  uint64_t numbers_size = 0;  // of all of them in bytes

  // Numbers of the array's type, one behind the other, as floats.
  void read(const char* bytes, std::span<float> values) const;

  void (*read_number)(const char*, float&) = nullptr;
  bool is_swapped = false;  // big-endian
};

bool is_npy(std::string_view begin);

// Of a file that begins like this; nullopt: more of it is needed. Numbers of any of numpy's types
// but complex ones and long double. INVALID_ARGUMENT, beginning with `path`: no such file, or of
// another type.
Result<std::optional<NpyHeader>> parse_npy_header(const std::string& path, std::string_view begin);

// DATA_LOSS: as many bytes follow the header, which should be header.numbers_size.
Status wrong_npy_size(const std::string& path, const NpyHeader& header, uint64_t bytes);

// Where the element of each place, row by row, stands in Fortran's order.
std::vector<size_t> fortran_places(std::span<const int64_t> sizes);

struct Npy {
  Shape shape;
  std::vector<float> values;  // row-major
};

// A whole file. Statuses likewise.
Result<Npy> parse_npy(const std::string& path, std::string_view file);

// Of an array of float32, for what its numbers follow.
std::string npy_header(const Shape& shape);

}  // namespace sluice::data
