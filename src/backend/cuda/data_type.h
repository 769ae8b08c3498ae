// The numbers that values in a GPU's memory are made of.
#pragma once

#include <cstddef>

namespace sluice::backend::cuda {

enum class DataType { kFloat32, kBfloat16 };

inline size_t size_of(DataType type) { return type == DataType::kFloat32 ? 4 : 2; }

// Floats of memory that hold `size` numbers.
inline size_t floats_for(DataType type, size_t size) {
  return (size * size_of(type) + sizeof(float) - 1) / sizeof(float);
}

}  // namespace sluice::backend::cuda
