// Numpy's file of one array (https://numpy.org/neps/nep-0001-npy-format.html): a magic number, a
// header that is a Python dictionary, {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), },
// and the numbers, row by row.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/shape.h"
#include "sluice/status.h"

namespace sluice::data {

struct Npy {
  Shape shape;                // empty of a single number
  std::vector<float> values;  // row-major
};

bool is_npy(std::string_view begin);

// Numbers of any of numpy's types but complex ones, little-endian and row-major, become floats.
// INVALID_ARGUMENT, beginning with `path`: no such file, or of another type or order; DATA_LOSS: it
// has not as many bytes as its header says.
Result<Npy> parse_npy(const std::string& path, std::string_view file);

// Of an array of float32, for what its numbers follow.
std::string npy_header(const Shape& shape);

}  // namespace sluice::data
