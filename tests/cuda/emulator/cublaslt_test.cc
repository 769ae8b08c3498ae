#include <cmath>

#include "testing/product.h"

namespace sluice::emulator::testing {
namespace {

using Floats = std::vector<float>;

// A = [1 2 3; 4 5 6], B = [7 8; 9 10; 11 12], A B = [58 64; 139 154]: by columns and by rows.
const Floats kA = {1, 4, 2, 5, 3, 6}, kARows = {1, 2, 3, 4, 5, 6};
const Floats kB = {7, 9, 11, 8, 10, 12}, kBRows = {7, 8, 9, 10, 11, 12};
const Floats kD = {58, 139, 64, 154};

TEST_F(CublasLtTest, MultipliesMatricesStoredByColumns) { EXPECT_EQ(product(kA, kB), kD); }

TEST_F(CublasLtTest, TransposesEitherInput) {
  const cublasOperation_t transpose = CUBLAS_OP_T;
  set(CUBLAS_COMPUTE_32F, {3, 2}, {3, 2}, {2, 2});
  ASSERT_CUBLAS(set(CUBLASLT_MATMUL_DESC_TRANSA, transpose));
  EXPECT_EQ(product(kARows, kB), kD);
  set(CUBLAS_COMPUTE_32F, {2, 3}, {2, 3}, {2, 2});
  ASSERT_CUBLAS(set(CUBLASLT_MATMUL_DESC_TRANSB, transpose));
  EXPECT_EQ(product(kA, kBRows), kD);
  set(CUBLAS_COMPUTE_32F, {3, 2}, {2, 3}, {2, 2});
  ASSERT_CUBLAS(set(CUBLASLT_MATMUL_DESC_TRANSA, transpose));
  ASSERT_CUBLAS(set(CUBLASLT_MATMUL_DESC_TRANSB, transpose));
  EXPECT_EQ(product(kARows, kBRows), kD);
}

TEST_F(CublasLtTest, MultipliesMatricesStoredByRows) {
  set_row_major();
  EXPECT_EQ(product(kARows, kBRows), (Floats{58, 64, 139, 154}));
}

TEST_F(CublasLtTest, AlphaAndBetaBlendWithC) {
  const DeviceArray<float> a(kA), b(kB), d({1, 2, 3, 4});
  ASSERT_CUBLAS(multiply(a, b, d, 2.0f, 1000.0f));
  EXPECT_EQ(d.values(), (Floats{1116, 2278, 3128, 4308}));
}

TEST_F(CublasLtTest, BiasIsOnePerRowOfD) {
  const DeviceArray<float> bias({100, -1000});
  ASSERT_CUBLAS(set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS));
  ASSERT_CUBLAS(set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias.data()));
  EXPECT_EQ(product(kA, kB), (Floats{158, -861, 164, -846}));
  ASSERT_CUBLAS(set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_RELU_BIAS));
  EXPECT_EQ(product(kA, kB), (Floats{158, 0, 164, 0}));
}

TEST_F(CublasLtTest, ReluCutsNegativeResults) {
  ASSERT_CUBLAS(set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_RELU));
  EXPECT_EQ(product({-1, 4, -2, 5, -3, 6}, kB), (Floats{0, 139, 0, 154}));
}

TEST_F(CublasLtTest, Bfloat16IsSummedInFloatAndStoredAsEither) {
  // 256 + 1 + 2 lies between the bfloat16s 258 and 260; rounding each sum would give 258.
  const DeviceArray<unsigned short> a({0x4380, 0x3f80, 0x4000}), b({0x3f80, 0x3f80, 0x3f80});
  const MatrixShape row{1, 3, CUDA_R_16BF}, column{3, 1, CUDA_R_16BF};
  set(CUBLAS_COMPUTE_32F, row, column, {1, 1, CUDA_R_16BF});
  const DeviceArray<unsigned short> narrow(1);
  ASSERT_CUBLAS(multiply(a, b, narrow));
  EXPECT_EQ(narrow.values()[0], 0x4382);
  set(CUBLAS_COMPUTE_32F, row, column, {1, 1, CUDA_R_32F});
  const DeviceArray<float> wide(1);
  ASSERT_CUBLAS(multiply(a, b, wide));
  EXPECT_EQ(wide.values()[0], 259.0f);
}

TEST_F(CublasLtTest, FastTf32RoundsItsInputs) {
  const float fine = 1.0f + std::ldexp(1.0f, -11);
  const DeviceArray<float> a({fine}), b({1.0f}), d(1);
  set(CUBLAS_COMPUTE_32F, {1, 1}, {1, 1}, {1, 1});
  ASSERT_CUBLAS(multiply(a, b, d));
  EXPECT_EQ(d.values()[0], fine);
  set(CUBLAS_COMPUTE_32F_FAST_TF32, {1, 1}, {1, 1}, {1, 1});
  ASSERT_CUBLAS(multiply(a, b, d));
  EXPECT_EQ(d.values()[0], 1.0f + std::ldexp(1.0f, -10));
}

TEST_F(CublasLtTest, RunsOnTheStreamAndNotBefore) {
  const DeviceArray<float> a(kA), b(kB), d(4);
  ASSERT_CUBLAS(multiply(a, b, d));
  EXPECT_TRUE(std::isnan(d.values_now()[0]));
  ASSERT_CUDA(cudaStreamSynchronize(stream_));
  EXPECT_EQ(d.values_now(), kD);
}

}  // namespace
}  // namespace sluice::emulator::testing
