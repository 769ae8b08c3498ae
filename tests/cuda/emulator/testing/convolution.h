// A convolution with its descriptors, as the tests of the emulated cuDNN call it.
#pragma once

#include <cudnn.h>

#include <vector>

#include "testing/fixture.h"

#define ASSERT_CUDNN(call) ASSERT_EQ(call, CUDNN_STATUS_SUCCESS)
#define EXPECT_CUDNN(call) EXPECT_EQ(call, CUDNN_STATUS_SUCCESS)

namespace sluice::emulator::testing {

// One image and one channel of 3 x 3 under one filter of 3 x 3 that keeps the size, unless said
// otherwise.
struct ConvolutionShape {
  int n = 1, c = 1, h = 3, w = 3;
  int k = 1, filter = 3;
  int padding = 1, stride = 1, dilation = 1, groups = 1;
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
  cudnnMathType_t math = CUDNN_FMA_MATH;

  int extent(int image) const {
    return (image + 2 * padding - (filter - 1) * dilation - 1) / stride + 1;
  }
};

class CudnnTest : public EmulatorTest {
 protected:
  CudnnTest() {
    EXPECT_CUDNN(cudnnCreate(&handle_));
    EXPECT_CUDNN(cudnnSetStream(handle_, stream_));
    EXPECT_CUDNN(cudnnCreateTensorDescriptor(&x_));
    EXPECT_CUDNN(cudnnCreateFilterDescriptor(&w_));
    EXPECT_CUDNN(cudnnCreateConvolutionDescriptor(&conv_));
    EXPECT_CUDNN(cudnnCreateTensorDescriptor(&y_));
    EXPECT_CUDNN(cudnnCreateTensorDescriptor(&bias_));
    set({});
  }
  ~CudnnTest() override {
    EXPECT_CUDNN(cudnnDestroyTensorDescriptor(x_));
    EXPECT_CUDNN(cudnnDestroyFilterDescriptor(w_));
    EXPECT_CUDNN(cudnnDestroyConvolutionDescriptor(conv_));
    EXPECT_CUDNN(cudnnDestroyTensorDescriptor(y_));
    EXPECT_CUDNN(cudnnDestroyTensorDescriptor(bias_));
    EXPECT_CUDNN(cudnnDestroy(handle_));
  }

  void set(const ConvolutionShape& s) {
    const auto nhwc = CUDNN_TENSOR_NHWC;
    EXPECT_CUDNN(cudnnSetTensor4dDescriptor(x_, nhwc, s.type, s.n, s.c, s.h, s.w));
    EXPECT_CUDNN(
        cudnnSetFilter4dDescriptor(w_, s.type, nhwc, s.k, s.c / s.groups, s.filter, s.filter));
    EXPECT_CUDNN(cudnnSetConvolution2dDescriptor(conv_, s.padding, s.padding, s.stride, s.stride,
                                                 s.dilation, s.dilation, CUDNN_CROSS_CORRELATION,
                                                 CUDNN_DATA_FLOAT));
    EXPECT_CUDNN(cudnnSetConvolutionGroupCount(conv_, s.groups));
    EXPECT_CUDNN(cudnnSetConvolutionMathType(conv_, s.math));
    EXPECT_CUDNN(
        cudnnSetTensor4dDescriptor(y_, nhwc, s.type, s.n, s.k, s.extent(s.h), s.extent(s.w)));
    EXPECT_CUDNN(cudnnSetTensor4dDescriptor(bias_, nhwc, s.type, 1, s.k, 1, 1));
  }

  // With 64 KiB of workspace.
  template <typename T>
  cudnnStatus_t forward(const DeviceArray<T>& x, const DeviceArray<T>& w, const DeviceArray<T>& y,
                        float alpha = 1.0f, float beta = 0.0f) {
    return cudnnConvolutionForward(handle_, &alpha, x_, x.data(), w_, w.data(), conv_, kForward,
                                   workspace_.data(), workspace_.bytes(), &beta, y_, y.data());
  }
  cudnnStatus_t backward_data(const DeviceArray<float>& w, const DeviceArray<float>& dy,
                              const DeviceArray<float>& dx, cudnnConvolutionBwdDataAlgo_t algo) {
    const float alpha = 1.0f, beta = 0.0f;
    return cudnnConvolutionBackwardData(handle_, &alpha, w_, w.data(), y_, dy.data(), conv_, algo,
                                        workspace_.data(), workspace_.bytes(), &beta, x_,
                                        dx.data());
  }
  cudnnStatus_t backward_filter(const DeviceArray<float>& x, const DeviceArray<float>& dy,
                                const DeviceArray<float>& dw,
                                cudnnConvolutionBwdFilterAlgo_t algo) {
    const float alpha = 1.0f, beta = 0.0f;
    return cudnnConvolutionBackwardFilter(handle_, &alpha, x_, x.data(), y_, dy.data(), conv_, algo,
                                          workspace_.data(), workspace_.bytes(), &beta, w_,
                                          dw.data());
  }

  std::vector<float> forward_of(const ConvolutionShape& shape, const std::vector<float>& x,
                                const std::vector<float>& w) {
    set(shape);
    const DeviceArray<float> x_data(x), w_data(w);
    const DeviceArray<float> y_data(size_t{1} * shape.n * shape.k * shape.extent(shape.h) *
                                    shape.extent(shape.w));
    EXPECT_CUDNN(forward(x_data, w_data, y_data));
    return y_data.values();
  }

  static constexpr auto kForward = CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM;

  cudnnHandle_t handle_ = nullptr;
  cudnnTensorDescriptor_t x_ = nullptr;
  cudnnFilterDescriptor_t w_ = nullptr;
  cudnnConvolutionDescriptor_t conv_ = nullptr;
  cudnnTensorDescriptor_t y_ = nullptr;
  cudnnTensorDescriptor_t bias_ = nullptr;

 private:
  const DeviceArray<char> workspace_ = DeviceArray<char>(size_t{64} << 10);
};

}  // namespace sluice::emulator::testing
