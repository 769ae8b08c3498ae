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

// A bit for each element of D.
class Mask {
 public:
  explicit Mask(const MatmulDesc& desc)
      : bytes_(static_cast<uint8_t*>(desc.aux)), ld_(static_cast<size_t>(desc.aux_ld)) {}

  void set(size_t row, size_t column, bool bit) const {
    const size_t i = column * ld_ + row;
    const auto flag = static_cast<uint8_t>(1u << i % 8);
    bytes_[i / 8] = static_cast<uint8_t>(bit ? bytes_[i / 8] | flag : bytes_[i / 8] & ~flag);
  }
  bool get(size_t row, size_t column) const {
    const size_t i = column * ld_ + row;
    return (bytes_[i / 8] >> i % 8 & 1) != 0;
  }

 private:
  uint8_t* bytes_;
  size_t ld_;
};

float apply_epilogue(const Product& p, size_t i, size_t j, float x) {
  if (p.adds_bias()) x += load(p.desc.bias, i, p.bias_number());
  if (p.applies_relu()) {
    if (p.has_aux()) Mask(p.desc).set(i, j, x > 0.0f);
    if (x < 0.0f) x = 0.0f;
  }
  if (p.masks() && !Mask(p.desc).get(i, j)) x = 0.0f;
  return x;
}

void store_bias(const Product& p, const std::vector<float>& sums) {
  for (size_t i = 0; i < sums.size(); ++i) store(p.desc.bias, i, p.bias_number(), sums[i]);
}

// The bias gradients that sum an input over the inner dimension.
void sum_inputs(const Product& p, const std::vector<float>& a, const std::vector<float>& b) {
  if (!p.sums_a() && !p.sums_b()) return;
  std::vector<float> sums(p.bias_size(), 0.0f);
  for (size_t i = 0; i < sums.size(); ++i) {
    for (size_t l = 0; l < p.k; ++l) sums[i] += p.sums_a() ? a[l * p.m + i] : b[i * p.k + l];
  }
  store_bias(p, sums);
}

}  // namespace

void multiply(const Product& p, const Operands& operands) {
  const bool a_turned = p.desc.transpose_a != CUBLAS_OP_N;
  const bool b_turned = p.desc.transpose_b != CUBLAS_OP_N;
  const auto a = unpack(p.a, operands.a, a_turned, p.m, p.k, p.precision());
  const auto b = unpack(p.b, operands.b, b_turned, p.k, p.n, p.precision());
  const std::vector<float> sums = multiply_packed(a, b, p.m, p.n, p.k);
  const Scale scale{operands.alpha, operands.beta};
  std::vector<float> row_sums(p.m, 0.0f);
  for (size_t j = 0; j < p.n; ++j) {
    for (size_t i = 0; i < p.m; ++i) {
      const float blended =
          scale.blend(sums[j * p.m + i], operands.c, at(p.c, i, j), number_of(p.c));
      const float x = apply_epilogue(p, i, j, blended);
      row_sums[i] += x;
      store(operands.d, at(p.d, i, j), number_of(p.d), x);
    }
  }
  if (p.sums_columns()) store_bias(p, row_sums);
  sum_inputs(p, a, b);
}

}  // namespace sluice::emulator::cublaslt
