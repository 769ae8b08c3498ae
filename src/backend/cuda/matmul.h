// A matrix product by cuBLASLt, set up once: D = op(A) op(B) with an epilogue, column major.
//
// Row-major matrices are their own transposes here: x [rows, columns] row-major is a column-major
// [columns, rows].
#pragma once

#include <optional>

#include "backend/cuda/context.h"

namespace sluice::backend::cuda {

struct MatmulSpec {
  int64_t m = 1, n = 1, k = 1;  // D [m, n], op(A) [m, k], op(B) [k, n]
  bool transpose_a = false, transpose_b = false;
  DataType factors = DataType::kFloat32;  // of A and B
  DataType result = DataType::kFloat32;   // of D
  // Where they lie, or others that are aligned alike will: an algorithm is tried on them.
  const void* a = nullptr;
  const void* b = nullptr;
  void* d = nullptr;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  // Read or written by the epilogue, as its name says.
  const void* bias = nullptr;
  DataType bias_type = DataType::kFloat32;
  void* relu_mask = nullptr;      // bits
  int64_t relu_mask_leading = 0;  // bits from one column to the next; a multiple of 128
};

class Matmul {
 public:
  // Nothing where cuBLASLt has no algorithm for it that works, as for some epilogues on some
  // shapes.
  static std::optional<Matmul> make(const Context& context, const MatmulSpec& spec);

  void run(const Context& context, const void* a, const void* b, void* d) const;

 private:
  Matmul() = default;
  cublasStatus_t try_run(const Context& context, const void* a, const void* b, void* d) const;

  MatmulDescriptor operation_;
  MatrixLayout a_, b_, d_;
  cublasLtMatmulAlgo_t algorithm_{};
};

}  // namespace sluice::backend::cuda
