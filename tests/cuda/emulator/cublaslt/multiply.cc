// The product itself and its epilogues. Sums are floats, rounded once when they are stored.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "cublaslt/product.h"

namespace sluice::emulator::cublaslt {
namespace {

// op(A) or op(B), `rows` by `columns`, with its columns one after another.
std::vector<float> unpack(const MatrixLayout& layout, const void* data, bool turned, size_t rows,
                          size_t columns, Precision precision) {
  std::vector<float> packed(rows * columns);
  for (size_t j = 0; j < columns; ++j) {
    for (size_t i = 0; i < rows; ++i) {
      const size_t index = turned ? at(layout, j, i) : at(layout, i, j);
      packed[j * rows + i] = read(data, index, number_of(layout), precision);
    }
  }
  return packed;
}

// C = A B, all with their columns one after another.
std::vector<float> multiply_packed(const std::vector<float>& a, const std::vector<float>& b,
                                   size_t m, size_t n, size_t k) {
  std::vector<float> sums(m * n, 0.0f);
  for (size_t j = 0; j < n; ++j) {
    float* const column = &sums[j * m];
    for (size_t l = 0; l < k; ++l) {
      const float factor = b[j * k + l];
      const float* const from = &a[l * m];
      for (size_t i = 0; i < m; ++i) column[i] += from[i] * factor;
    }
  }
  return sums;
}

float apply_epilogue(const Product& p, size_t i, float x) {
  if (p.adds_bias()) x += load(p.desc.bias, i, p.bias_number());
  if (p.applies_relu() && x < 0.0f) x = 0.0f;
  return x;
}

}  // namespace

void multiply(const Product& p, const Operands& operands) {
  const bool a_turned = p.desc.transpose_a != CUBLAS_OP_N;
  const bool b_turned = p.desc.transpose_b != CUBLAS_OP_N;
  const auto a = unpack(p.a, operands.a, a_turned, p.m, p.k, p.precision());
  const auto b = unpack(p.b, operands.b, b_turned, p.k, p.n, p.precision());
  const std::vector<float> sums = multiply_packed(a, b, p.m, p.n, p.k);
  const Scale scale{operands.alpha, operands.beta};
  for (size_t j = 0; j < p.n; ++j) {
    for (size_t i = 0; i < p.m; ++i) {
      const float blended =
          scale.blend(sums[j * p.m + i], operands.c, at(p.c, i, j), number_of(p.c));
      store(operands.d, at(p.d, i, j), number_of(p.d), apply_epilogue(p, i, blended));
    }
  }
}

}  // namespace sluice::emulator::cublaslt
