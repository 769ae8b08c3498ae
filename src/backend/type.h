// The element types of activations, of their gradients and, on GPUs, of copies of parameters; and
// how images lie in memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::backend {

enum class Type { kFloat32, kBfloat16 };

// The upper 16 bits of a float: its sign, its exponent and 7 bits of its fraction.
struct Bfloat16 {
  uint16_t bits = 0;
};

inline constexpr size_t size_of(Type type) { return type == Type::kFloat32 ? 4 : 2; }

// The floats of memory that `size` elements of the type take.
inline constexpr size_t floats_for(Type type, size_t size) {
  return (size * size_of(type) + sizeof(float) - 1) / sizeof(float);
}

// How an image lies in memory: channels last, or in blocks of 16 channels, [N, C/16, H, W, 16],
// which oneDNN's AVX-512 convolutions prefer.
enum class Layout { kPlain, kBlocked16 };

inline constexpr int64_t kChannelBlock = 16;

}  // namespace sluice::backend
