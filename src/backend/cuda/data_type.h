// The element types of activations, parameters and gradients on a GPU.
#pragma once

#include <cstddef>

namespace sluice::backend::cuda {

enum class DataType { kFloat32, kBfloat16 };

inline size_t size_of(DataType type) { return type == DataType::kFloat32 ? 4 : 2; }

// The floats of memory that `size` elements of the type take.
inline size_t floats_for(DataType type, size_t size) {
  return (size * size_of(type) + sizeof(float) - 1) / sizeof(float);
}

}  // namespace sluice::backend::cuda
