#include "testing/product.h"

namespace sluice::emulator::testing {
namespace {

TEST_F(CublasLtTest, AnAlgorithmNeedsTheWorkspaceOfItsHeuristicAndItsProduct) {
  const DeviceArray<float> a(6), b(6), d(4), workspace(std::vector<float>(size_t{1} << 18, 1.0f));
  const float alpha = 1.0f, beta = 0.0f;
  cublasLtMatmulHeuristicResult_t result;
  ASSERT_CUBLAS(find_algorithm(&result));
  ASSERT_GT(result.workspaceSize, 0u);
  ASSERT_LE(result.workspaceSize, max_workspace_);
  const auto run = [&](size_t bytes) {
    return cublasLtMatmul(handle_, desc_, &alpha, a.data(), a_, b.data(), b_, &beta, d.data(), d_,
                          d.data(), d_, &result.algo, workspace.data(), bytes, stream_);
  };
  EXPECT_EQ(run(result.workspaceSize - 1), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_CUBLAS(run(result.workspaceSize));
  EXPECT_NE(workspace.values()[0], 1.0f);
  ASSERT_CUBLAS(set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_RELU));
  EXPECT_EQ(run(result.workspaceSize), CUBLAS_STATUS_INVALID_VALUE);
}

TEST_F(CublasLtTest, AWorkspaceLimitOfZeroIsHonoured) {
  const uint64_t none = 0;
  ASSERT_CUBLAS(cublasLtMatmulPreferenceSetAttribute(
      preference_, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &none, sizeof none));
  cublasLtMatmulHeuristicResult_t result;
  ASSERT_CUBLAS(find_algorithm(&result));
  EXPECT_EQ(result.workspaceSize, 0u);
}

TEST_F(CublasLtTest, WithoutEpiloguesOnlyTheDefaultIsFound) {
  const Environment environment("SLUICE_EMULATED_EPILOGUES", "none");
  cublasLtMatmulHeuristicResult_t result;
  EXPECT_CUBLAS(find_algorithm(&result));
  ASSERT_CUBLAS(set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_RELU));
  EXPECT_EQ(find_algorithm(&result), CUBLAS_STATUS_NOT_SUPPORTED);
}

TEST_F(CublasLtTest, DimensionsThatDoNotFitAreInvalid) {
  const DeviceArray<float> a(6), b(6), d(6);
  set(CUBLAS_COMPUTE_32F, {2, 3}, {2, 3}, {2, 2});
  EXPECT_EQ(multiply(a, b, d), CUBLAS_STATUS_INVALID_VALUE);
  set(CUBLAS_COMPUTE_32F, {2, 3}, {3, 2}, {2, 3});
  EXPECT_EQ(multiply(a, b, d), CUBLAS_STATUS_INVALID_VALUE);
  set(CUBLAS_COMPUTE_32F, {2, 3}, {3, 2}, {2, 2});
  const int64_t ld = 1;
  ASSERT_CUBLAS(cublasLtMatrixLayoutSetAttribute(a_, CUBLASLT_MATRIX_LAYOUT_LD, &ld, sizeof ld));
  EXPECT_EQ(multiply(a, b, d), CUBLAS_STATUS_INVALID_VALUE);
}

TEST_F(CublasLtTest, TypesThatDoNotGoTogetherAreNotSupported) {
  const DeviceArray<float> a(6), b(6), d(4);
  set(CUBLAS_COMPUTE_32F, {2, 3, CUDA_R_16BF}, {3, 2}, {2, 2});
  EXPECT_EQ(multiply(a, b, d), CUBLAS_STATUS_NOT_SUPPORTED);
  set(CUBLAS_COMPUTE_32F, {2, 3}, {3, 2}, {2, 2, CUDA_R_16BF});
  EXPECT_EQ(multiply(a, b, d), CUBLAS_STATUS_NOT_SUPPORTED);
  set(CUBLAS_COMPUTE_16F, {2, 3}, {3, 2}, {2, 2});
  EXPECT_EQ(multiply(a, b, d), CUBLAS_STATUS_NOT_SUPPORTED);
}

TEST_F(CublasLtTest, EpiloguesNeedTheirVectors) {
  const DeviceArray<float> a(6), b(6), d(4), bias(2);
  ASSERT_CUBLAS(set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS));
  EXPECT_EQ(multiply(a, b, d), CUBLAS_STATUS_INVALID_VALUE);
  ASSERT_CUBLAS(set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias.data()));
  EXPECT_CUBLAS(multiply(a, b, d));
  const int32_t bfloat16 = CUDA_R_16BF;
  ASSERT_CUBLAS(set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, bfloat16));
  EXPECT_EQ(multiply(a, b, d), CUBLAS_STATUS_INVALID_VALUE);
}

TEST_F(CublasLtTest, OperandsMustBeDeviceMemoryOfTheLayoutsSize) {
  const DeviceArray<float> a(5), b(6), d(4);
  EXPECT_EQ(multiply(a, b, d), CUBLAS_STATUS_INVALID_VALUE);
}

TEST_F(CublasLtTest, AttributesAreCheckedAndReadBack) {
  const int64_t wrong_size = 0;
  EXPECT_EQ(set(CUBLASLT_MATMUL_DESC_EPILOGUE, wrong_size), CUBLAS_STATUS_INVALID_VALUE);
  ASSERT_CUBLAS(set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS));
  uint32_t epilogue = 0;
  size_t written = 0;
  EXPECT_CUBLAS(cublasLtMatmulDescGetAttribute(desc_, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue,
                                               sizeof epilogue, &written));
  EXPECT_EQ(epilogue, CUBLASLT_EPILOGUE_BIAS);
  EXPECT_EQ(written, sizeof epilogue);
}

TEST_F(CublasLtTest, DescriptorsMayLieInTheProgramsOwnMemory) {
  cublasLtMatrixLayoutOpaque_t layout;
  EXPECT_CUBLAS(cublasLtMatrixLayoutInit(&layout, CUDA_R_32F, 2, 3, 2));
  cublasLtMatmulDescOpaque_t desc;
  EXPECT_CUBLAS(cublasLtMatmulDescInit(&desc, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  cublasLtMatmulPreferenceOpaque_t preference;
  EXPECT_CUBLAS(cublasLtMatmulPreferenceInit(&preference));
}

}  // namespace
}  // namespace sluice::emulator::testing
