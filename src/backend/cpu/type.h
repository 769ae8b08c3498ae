// The numbers that a value is made of.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::backend::cpu {

enum class Type { kFloat32, kBfloat16 };

// The upper half of a float.
struct Bfloat16 {
  uint16_t bits = 0;
};

// Floats of memory that hold `size` numbers.
inline size_t floats_for(Type type, size_t size) {
  return type == Type::kFloat32 ? size : (size + 1) / 2;
}

}  // namespace sluice::backend::cpu
