#include <string>

#include "testing/convolution.h"

namespace sluice::emulator::testing {
namespace {

TEST_F(CudnnTest, GradientAlgorithmsListANondeterministicOneFirst) {
  cudnnConvolutionBwdFilterAlgoPerf_t filter[8];
  int count = 0;
  ASSERT_CUDNN(
      cudnnGetConvolutionBackwardFilterAlgorithm_v7(handle_, x_, y_, conv_, w_, 8, &count, filter));
  ASSERT_EQ(count, 4);
  EXPECT_EQ(filter[0].algo, CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0);
  EXPECT_EQ(filter[0].determinism, CUDNN_NON_DETERMINISTIC);
  EXPECT_EQ(filter[2].algo, CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1);
  EXPECT_EQ(filter[2].determinism, CUDNN_DETERMINISTIC);
  EXPECT_EQ(filter[3].status, CUDNN_STATUS_NOT_SUPPORTED);
  cudnnConvolutionBwdDataAlgoPerf_t data[1];
  ASSERT_CUDNN(
      cudnnGetConvolutionBackwardDataAlgorithm_v7(handle_, w_, y_, conv_, x_, 1, &count, data));
  ASSERT_EQ(count, 1);
  EXPECT_EQ(data[0].algo, CUDNN_CONVOLUTION_BWD_DATA_ALGO_0);
  EXPECT_EQ(data[0].determinism, CUDNN_NON_DETERMINISTIC);
}

TEST_F(CudnnTest, NondeterministicAlgorithmsDifferFromRunToRun) {
  set({.n = 3, .h = 1, .w = 1, .filter = 1, .padding = 0});
  // 2^24 - 2^24 + 1/2, which is 0 from right to left.
  const DeviceArray<float> x({16777216.0f, -16777216.0f, 0.5f}), dy({1, 1, 1}), dw(1);
  const auto run = [&](cudnnConvolutionBwdFilterAlgo_t algo) {
    EXPECT_CUDNN(backward_filter(x, dy, dw, algo));
    return dw.values()[0];
  };
  EXPECT_NE(run(CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0), run(CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0));
  EXPECT_EQ(run(CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1), 0.5f);
  EXPECT_EQ(run(CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1), 0.5f);
}

TEST_F(CudnnTest, TheWorkspaceMustBeWhatTheAlgorithmNeedsAndIsOverwritten) {
  size_t size = 0;
  ASSERT_CUDNN(
      cudnnGetConvolutionForwardWorkspaceSize(handle_, x_, w_, conv_, y_, kForward, &size));
  ASSERT_GT(size, 0u);
  const DeviceArray<float> x({1, 2, 3, 4, 5, 6, 7, 8, 9}), w(std::vector<float>(9, 1.0f)), y(9);
  const DeviceArray<char> workspace(std::vector<char>(size, 'x'));
  const float alpha = 1.0f, beta = 0.0f;
  const auto run = [&](void* data, size_t bytes) {
    return cudnnConvolutionForward(handle_, &alpha, x_, x.data(), w_, w.data(), conv_, kForward,
                                   data, bytes, &beta, y_, y.data());
  };
  EXPECT_EQ(run(workspace.data(), size - 1), CUDNN_STATUS_BAD_PARAM);
  EXPECT_EQ(run(nullptr, 0), CUDNN_STATUS_BAD_PARAM);
  ASSERT_CUDNN(run(workspace.data(), size));
  EXPECT_NE(workspace.values()[0], 'x');
  set({.n = 8});
  size_t larger = 0;
  ASSERT_CUDNN(
      cudnnGetConvolutionForwardWorkspaceSize(handle_, x_, w_, conv_, y_, kForward, &larger));
  EXPECT_GT(larger, size);
}

TEST_F(CudnnTest, DescriptorsThatDoNotFitAreRefused) {
  const DeviceArray<float> x(9), w(9), y(9);
  ASSERT_CUDNN(cudnnSetTensor4dDescriptor(y_, CUDNN_TENSOR_NHWC, CUDNN_DATA_FLOAT, 1, 1, 3, 4));
  EXPECT_EQ(forward(x, w, y), CUDNN_STATUS_BAD_PARAM);
  set({});
  ASSERT_CUDNN(cudnnSetTensor4dDescriptor(x_, CUDNN_TENSOR_NHWC, CUDNN_DATA_BFLOAT16, 1, 1, 3, 3));
  EXPECT_EQ(forward(x, w, y), CUDNN_STATUS_BAD_PARAM);
  char reason[128];
  cudnnGetLastErrorString(reason, sizeof reason);
  EXPECT_EQ(std::string(reason), "x, w and y are not of one data type");
  set({});
  ASSERT_CUDNN(cudnnSetFilter4dDescriptor(w_, CUDNN_DATA_FLOAT, CUDNN_TENSOR_NHWC, 1, 2, 3, 3));
  EXPECT_EQ(forward(x, w, y), CUDNN_STATUS_BAD_PARAM);
  set({});
  ASSERT_CUDNN(cudnnSetConvolution2dDescriptor(conv_, 1, 1, 1, 1, 1, 1, CUDNN_CONVOLUTION,
                                               CUDNN_DATA_FLOAT));
  EXPECT_EQ(forward(x, w, y), CUDNN_STATUS_NOT_SUPPORTED);
}

TEST_F(CudnnTest, DataMustBeDeviceMemoryOfTheDescriptorsSize) {
  const DeviceArray<float> x(9), w(8), y(9);
  EXPECT_EQ(forward(x, w, y), CUDNN_STATUS_BAD_PARAM);
}

TEST_F(CudnnTest, StaleDescriptorsAndHandlesAreRefused) {
  cudnnHandle_t handle = nullptr;
  ASSERT_CUDNN(cudnnCreate(&handle));
  ASSERT_CUDNN(cudnnDestroy(handle));
  EXPECT_EQ(cudnnDestroy(handle), CUDNN_STATUS_BAD_PARAM);
  EXPECT_CUDNN(cudnnDestroy(nullptr));
  EXPECT_CUDNN(cudnnDestroyTensorDescriptor(nullptr));
  EXPECT_EQ(cudnnSetStream(handle_, reinterpret_cast<cudaStream_t>(this)), CUDNN_STATUS_BAD_PARAM);
  fail_next("cudnnCreate", CUDNN_STATUS_NOT_INITIALIZED);
  EXPECT_EQ(cudnnCreate(&handle), CUDNN_STATUS_NOT_INITIALIZED);
}

}  // namespace
}  // namespace sluice::emulator::testing
