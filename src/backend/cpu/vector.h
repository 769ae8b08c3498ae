// Sixteen floats as one value, in the compilers' vector notation: one AVX-512 register, two of AVX2
// or four of SSE, so that the same source serves every SLUICE_SIMD clone.
#pragma once

#include <cstdint>
#include <cstring>

#include "backend/type.h"

namespace sluice::backend::cpu {

inline constexpr int64_t kLanes = 16;

using Floats = float __attribute__((vector_size(64)));
using Ints = int32_t __attribute__((vector_size(64)));
using Shorts = int16_t __attribute__((vector_size(32)));

// By reference, since passing them by value would depend on the caller's instruction set.
[[gnu::always_inline]] inline void load(Floats& to, const float* from) {
  std::memcpy(&to, from, sizeof to);
}
[[gnu::always_inline]] inline void store(float* to, const Floats& from) {
  std::memcpy(to, &from, sizeof from);
}
[[gnu::always_inline]] inline void load(Shorts& to, const Bfloat16* from) {
  std::memcpy(&to, from, sizeof to);
}
[[gnu::always_inline]] inline void store(Bfloat16* to, const Shorts& from) {
  std::memcpy(static_cast<void*>(to), &from, sizeof from);
}
[[gnu::always_inline]] inline void load(Floats& to, const Bfloat16* from) {
  Shorts bits;
  load(bits, from);
  to = reinterpret_cast<Floats>(__builtin_convertvector(bits, Ints) << 16);
}
// Of numbers that bfloat16 has, such as the largest of some: cuts the lower half off.
[[gnu::always_inline]] inline void store(Bfloat16* to, const Floats& from) {
  store(to, __builtin_convertvector(reinterpret_cast<Ints>(from) >> 16, Shorts));
}
// The first `count` lanes, 1 to 16; the others become zero, or are not stored.
[[gnu::always_inline]] inline void load_some(Floats& to, const float* from, int64_t count) {
  if (count == kLanes) return load(to, from);
  to = Floats{};
  for (int64_t i = 0; i < count; ++i) to[i] = from[i];
}
[[gnu::always_inline]] inline void store_some(float* to, const Floats& from, int64_t count) {
  if (count == kLanes) return store(to, from);
  for (int64_t i = 0; i < count; ++i) to[i] = from[i];
}

}  // namespace sluice::backend::cpu
