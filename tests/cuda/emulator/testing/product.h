// A matrix product with its descriptors, as the tests of the emulated cuBLASLt call it.
#pragma once

#include <cublasLt.h>

#include <cstdint>
#include <vector>

#include "testing/fixture.h"

#define ASSERT_CUBLAS(call) ASSERT_EQ(call, CUBLAS_STATUS_SUCCESS)
#define EXPECT_CUBLAS(call) EXPECT_EQ(call, CUBLAS_STATUS_SUCCESS)

namespace sluice::emulator::testing {

struct MatrixShape {
  uint64_t rows, cols;
  cudaDataType_t type = CUDA_R_32F;
};

// D [2, 2] = A [2, 3] B [3, 2] of floats in columns, unless said otherwise.
class CublasLtTest : public EmulatorTest {
 protected:
  CublasLtTest() {
    EXPECT_CUBLAS(cublasLtCreate(&handle_));
    EXPECT_CUBLAS(cublasLtMatmulPreferenceCreate(&preference_));
    EXPECT_CUBLAS(cublasLtMatmulPreferenceSetAttribute(preference_,
                                                       CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                       &max_workspace_, sizeof max_workspace_));
    set(CUBLAS_COMPUTE_32F, {2, 3}, {3, 2}, {2, 2});
  }
  ~CublasLtTest() override {
    destroy();
    EXPECT_CUBLAS(cublasLtMatmulPreferenceDestroy(preference_));
    EXPECT_CUBLAS(cublasLtDestroy(handle_));
  }

  void set(cublasComputeType_t compute_type, MatrixShape a, MatrixShape b, MatrixShape d) {
    destroy();
    EXPECT_CUBLAS(cublasLtMatmulDescCreate(&desc_, compute_type, CUDA_R_32F));
    create(&a_, a);
    create(&b_, b);
    create(&d_, d);
  }

  template <typename T>
  cublasStatus_t set(cublasLtMatmulDescAttributes_t attribute, const T& value) {
    return cublasLtMatmulDescSetAttribute(desc_, attribute, &value, sizeof value);
  }

  void set_row_major() {
    for (const cublasLtMatrixLayout_t layout : {a_, b_, d_}) {
      uint64_t columns = 0;
      EXPECT_CUBLAS(cublasLtMatrixLayoutGetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_COLS, &columns,
                                                     sizeof columns, nullptr));
      const int32_t order = CUBLASLT_ORDER_ROW;
      const auto ld = static_cast<int64_t>(columns);
      EXPECT_CUBLAS(cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_ORDER, &order,
                                                     sizeof order));
      EXPECT_CUBLAS(
          cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_LD, &ld, sizeof ld));
    }
  }

  cublasStatus_t find_algorithm(cublasLtMatmulHeuristicResult_t* result) {
    int count = 0;
    return cublasLtMatmulAlgoGetHeuristic(handle_, desc_, a_, b_, d_, d_, preference_, 1, result,
                                          &count);
  }

  template <typename In, typename Out>
  cublasStatus_t multiply(const DeviceArray<In>& a, const DeviceArray<In>& b,
                          const DeviceArray<Out>& d, float alpha = 1.0f, float beta = 0.0f) {
    return cublasLtMatmul(handle_, desc_, &alpha, a.data(), a_, b.data(), b_, &beta, d.data(), d_,
                          d.data(), d_, nullptr, nullptr, 0, stream_);
  }

  // D of A and B as they are stored.
  std::vector<float> product(const std::vector<float>& a, const std::vector<float>& b) {
    const DeviceArray<float> a_data(a), b_data(b), d_data(4);
    EXPECT_CUBLAS(multiply(a_data, b_data, d_data));
    return d_data.values();
  }

  const uint64_t max_workspace_ = 1 << 20;
  cublasLtHandle_t handle_ = nullptr;
  cublasLtMatmulPreference_t preference_ = nullptr;
  cublasLtMatmulDesc_t desc_ = nullptr;
  cublasLtMatrixLayout_t a_ = nullptr, b_ = nullptr, d_ = nullptr;

 private:
  static void create(cublasLtMatrixLayout_t* layout, MatrixShape s) {
    EXPECT_CUBLAS(
        cublasLtMatrixLayoutCreate(layout, s.type, s.rows, s.cols, static_cast<int64_t>(s.rows)));
  }
  void destroy() {
    if (desc_ == nullptr) return;
    EXPECT_CUBLAS(cublasLtMatmulDescDestroy(desc_));
    for (const cublasLtMatrixLayout_t layout : {a_, b_, d_}) {
      EXPECT_CUBLAS(cublasLtMatrixLayoutDestroy(layout));
    }
  }
};

}  // namespace sluice::emulator::testing
