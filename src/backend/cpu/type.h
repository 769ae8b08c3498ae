// The element types of activations and their gradients on the CPU.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::backend::cpu {

enum class Type { kFloat32, kBfloat16 };

// The upper 16 bits of a float: its sign, its exponent and 7 bits of its fraction.
struct Bfloat16 {
  uint16_t bits = 0;
};

// The floats of memory that `size` elements of the type take.
inline size_t floats_for(Type type, size_t size) {
  return type == Type::kFloat32 ? size : (size + 1) / 2;
}

}  // namespace sluice::backend::cpu
