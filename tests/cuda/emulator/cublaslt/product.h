// A matrix product as its descriptors give it, checked: D = epilogue(alpha op(A) op(B) + beta C).
#pragma once

#include <cublasLt.h>

#include "cublaslt/descriptors.h"

namespace sluice::emulator::cublaslt {

struct Product {
  MatmulDesc desc;
  MatrixLayout a, b, c, d;
  size_t m = 0, n = 0, k = 0;

  bool has(uint32_t epilogue_bit) const { return (desc.epilogue & epilogue_bit) != 0; }
  bool adds_bias() const { return has(CUBLASLT_EPILOGUE_BIAS); }
  bool applies_relu() const { return has(CUBLASLT_EPILOGUE_RELU); }
  Number bias_number() const;
  Precision precision() const;
};

Number number_of(const MatrixLayout& layout);

// Index of an element.
inline size_t at(const MatrixLayout& layout, size_t row, size_t column) {
  const auto ld = static_cast<size_t>(layout.ld);
  return layout.order == CUBLASLT_ORDER_COL ? column * ld + row : row * ld + column;
}
// Elements from the first to the last, inclusive.
inline size_t extent(const MatrixLayout& layout) {
  return at(layout, layout.rows - 1, layout.cols - 1) + 1;
}

// INVALID_VALUE for what contradicts itself, NOT_SUPPORTED for what no algorithm does. With the
// pointers that the descriptor holds only if `pointers` says so: a heuristic does not need them.
enum class Pointers { kIgnored, kNeeded };
cublasStatus_t find_product(cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,
                            cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
                            cublasLtMatrixLayout_t d, Pointers pointers, Product* product);

// Tells products apart for which one may not use the other's algorithm.
uint64_t fingerprint(const Product& product);

struct Operands {
  float alpha, beta;
  const void* a;
  const void* b;
  const void* c;
  void* d;
};
void multiply(const Product& product, const Operands& operands);

}  // namespace sluice::emulator::cublaslt
