// A matrix product by cuBLASLt whose algorithm is chosen once: D = op(A) op(B), followed by an
// epilogue such as bias and ReLU. Matrices are column-major.
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
  Type factors = Type::kFloat32;  // of A and B
  Type result = Type::kFloat32;   // of D
  // Device memory that the algorithms are tried on; what run() is given must be aligned alike.
  const void* a = nullptr;
  const void* b = nullptr;
  void* d = nullptr;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;  // where the epilogue has one
  Type bias_type = Type::kFloat32;
};

class Trial;

class Matmul {
 public:
  // To run on a lane of the context, which outlives it. Takes the algorithm that is measured to be
  // the fastest; in a deterministic context, the first that works. nullopt where cuBLASLt has none,
  // as for some epilogues on some shapes.
  static std::optional<Matmul> make(const Context& context, const Lane& lane,
                                    const MatmulSpec& spec);

  void run(const void* a, const void* b, void* d) const;

 private:
  Matmul(const Context& context, const Lane& lane) : context_(&context), lane_(&lane) {}
  // nullopt where the algorithm fails.
  std::optional<Trial> trial(const MatmulSpec& spec) const;

  const Context* context_;
  const Lane* lane_;
  MatmulDescriptor operation_;
  MatrixLayout a_, b_, d_;
  cublasLtMatmulAlgo_t algorithm_{};
};

}  // namespace sluice::backend::cuda
