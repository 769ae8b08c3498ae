#include "backend/cpu/dense_loops.h"

#include <algorithm>

#include "backend/cpu/dense_tiles.h"

namespace sluice::backend::cpu {
namespace {

// One set of functions per instruction set. Tiles fill the registers: 24 accumulators of 32 with
// AVX-512, 12 of 16 before.
#define SLUICE_DENSE_LOOPS(name, attribute, bytes, input_rows, input_columns, kernel_rows,       \
                           kernel_columns)                                                       \
  struct name {                                                                                  \
    attribute static void input_gradient(const DenseShape& s, int64_t begin, int64_t end,        \
                                         const float* w, const float* columns, float* dx) {      \
      tiles::input_gradient<tiles::VectorOf<bytes>, input_rows, input_columns>(s, begin, end, w, \
                                                                               columns, dx);     \
    }                                                                                            \
    attribute static void kernel_gradient(const DenseShape& s, int64_t count,                    \
                                          const float* x_block, const float* lines, float* dw) { \
      tiles::kernel_gradient<tiles::VectorOf<bytes>, kernel_rows, kernel_columns>(               \
          s, count, x_block, lines, dw);                                                         \
    }                                                                                            \
  };

SLUICE_DENSE_LOOPS(Baseline, , 16, 6, 2, 6, 2)

#if defined(__x86_64__) && defined(__ELF__)
SLUICE_DENSE_LOOPS(Avx2, [[gnu::target("arch=x86-64-v3")]], 32, 6, 2, 6, 2)
SLUICE_DENSE_LOOPS(Avx512, [[gnu::target("arch=x86-64-v4")]], 64, 12, 2, 8, 3)
#else
using Avx2 = Baseline;
using Avx512 = Baseline;
#endif
#undef SLUICE_DENSE_LOOPS

enum class InstructionSet { kBaseline, kAvx2, kAvx512 };

InstructionSet instruction_set() {
#if defined(__x86_64__)
  static const InstructionSet found = [] {
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
      return InstructionSet::kAvx512;
    }
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    return avx2 ? InstructionSet::kAvx2 : InstructionSet::kBaseline;
  }();
  return found;
#else
  return InstructionSet::kBaseline;
#endif
}

}  // namespace

DenseShape dense_shape(int64_t batch, const Shape& x, const Shape& y) {
  const int64_t features = x.dims().back();
  return {batch * x.size() / features, features, y.dims().back()};
}

void pack_dense_gradient(const DenseShape& s, const float* dy, float* columns, float* lines) {
  const int64_t height = s.padded_rows(), width = s.padded_units();
  std::fill_n(columns, s.units * height, 0.0f);
  for (int64_t n = 0; n < s.rows; ++n) {
    const float* from = dy + n * s.units;
    std::copy_n(from, s.units, lines + n * width);
    std::fill(lines + n * width + s.units, lines + (n + 1) * width, 0.0f);
    for (int64_t u = 0; u < s.units; ++u) columns[u * height + n] = from[u];
  }
}

void dense_input_gradient(const DenseShape& shape, int64_t begin, int64_t end, const float* w,
                          const float* columns, float* dx) {
  switch (instruction_set()) {
    case InstructionSet::kAvx512:
      return Avx512::input_gradient(shape, begin, end, w, columns, dx);
    case InstructionSet::kAvx2:
      return Avx2::input_gradient(shape, begin, end, w, columns, dx);
    case InstructionSet::kBaseline:
      return Baseline::input_gradient(shape, begin, end, w, columns, dx);
  }
}

void pack_dense_input(const DenseShape& s, int64_t begin, int64_t end, const float* x,
                      float* x_block) {
  for (int64_t n = 0; n < s.rows; ++n) {
    x_block = std::copy(x + n * s.features + begin, x + n * s.features + end, x_block);
  }
}

void dense_kernel_gradient(const DenseShape& shape, int64_t begin, int64_t end,
                           const float* x_block, const float* lines, float* dw) {
  const int64_t count = end - begin;
  switch (instruction_set()) {
    case InstructionSet::kAvx512:
      return Avx512::kernel_gradient(shape, count, x_block, lines, dw);
    case InstructionSet::kAvx2:
      return Avx2::kernel_gradient(shape, count, x_block, lines, dw);
    case InstructionSet::kBaseline:
      return Baseline::kernel_gradient(shape, count, x_block, lines, dw);
  }
}

}  // namespace sluice::backend::cpu
