// What is inside cuBLASLt's descriptors, which the program may also allocate itself.
#pragma once

#include <cublasLt.h>

#include <cstdint>

#include "library/call.h"
#include "library/numbers.h"

namespace sluice::emulator::cublaslt {

struct Context {};
HandleTable<cublasLtHandle_t, Context>& contexts();

struct MatmulDesc {
  static constexpr uint32_t kMagic = 0x6d61746d;
  uint32_t magic = 0;
  int32_t compute_type = CUBLAS_COMPUTE_32F;
  int32_t scale_type = CUDA_R_32F;
  int32_t pointer_mode = CUBLASLT_POINTER_MODE_HOST;
  int32_t transpose_a = CUBLAS_OP_N;
  int32_t transpose_b = CUBLAS_OP_N;
  int32_t transpose_c = CUBLAS_OP_N;
  uint32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  void* bias = nullptr;
  int32_t bias_type = -1;  // D's
  int32_t sm_count = 0;
};

struct MatrixLayout {
  static constexpr uint32_t kMagic = 0x6c61796f;
  uint32_t magic = 0;
  uint32_t type = CUDA_R_32F;
  int32_t order = CUBLASLT_ORDER_COL;
  int32_t batch_count = 1;
  uint64_t rows = 0;
  uint64_t cols = 0;
  int64_t ld = 0;
  int64_t batch_stride = 0;
};

struct Preference {
  static constexpr uint32_t kMagic = 0x70726566;
  uint32_t magic = 0;
  uint32_t search_mode = 0;
  uint64_t max_workspace = 0;
  uint32_t reduction_schemes = CUBLASLT_REDUCTION_SCHEME_MASK;
  uint32_t alignment[4] = {256, 256, 256, 256};
  float max_waves = 0.0f;
};

// Null for what is not initialised, or destroyed.
const MatmulDesc* find(const cublasLtMatmulDescOpaque_t* desc);
const MatrixLayout* find(const cublasLtMatrixLayoutOpaque_t* layout);
const Preference* find(const cublasLtMatmulPreferenceOpaque_t* preference);

}  // namespace sluice::emulator::cublaslt
