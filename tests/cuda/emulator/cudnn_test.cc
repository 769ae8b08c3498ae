#include <cmath>
#include <string>

#include "testing/convolution.h"

namespace sluice::emulator::testing {
namespace {

using Floats = std::vector<float>;

const Floats kImage = {1, 2, 3, 4, 5, 6, 7, 8, 9};
// y(p, q) = 10 x(p, q) + x(p - 1, q - 1): not its own mirror image.
const Floats kFilter = {1, 0, 0, 0, 10, 0, 0, 0, 0};

TEST_F(CudnnTest, ForwardCorrelatesWithoutFlippingTheFilter) {
  EXPECT_EQ(forward_of({}, kImage, kFilter), (Floats{10, 20, 30, 40, 51, 62, 70, 84, 95}));
}

TEST_F(CudnnTest, BackwardDataSpreadsEachGradientUnderTheFilter) {
  const DeviceArray<float> w(kFilter), dy(kImage), dx(9);
  ASSERT_CUDNN(backward_data(w, dy, dx, CUDNN_CONVOLUTION_BWD_DATA_ALGO_1));
  EXPECT_EQ(dx.values(), (Floats{15, 26, 30, 48, 59, 60, 70, 80, 90}));
}

TEST_F(CudnnTest, BackwardFilterSumsOverPixels) {
  const DeviceArray<float> x(kImage), dy({1, 0, 0, 0, 0, 0, 0, 0, 2}), dw(9);
  ASSERT_CUDNN(backward_filter(x, dy, dw, CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1));
  EXPECT_EQ(dw.values(), (Floats{10, 12, 0, 16, 19, 2, 0, 4, 5}));
}

TEST_F(CudnnTest, BackwardBiasSumsOverImagesAndPixels) {
  set({.n = 2, .h = 1, .w = 2, .k = 2});
  const DeviceArray<float> dy({1, 10, 2, 20, 3, 30, 4, 40}), db({1, 1});
  const float alpha = 1.0f, beta = 100.0f;
  ASSERT_CUDNN(
      cudnnConvolutionBackwardBias(handle_, &alpha, y_, dy.data(), &beta, bias_, db.data()));
  EXPECT_EQ(db.values(), (Floats{110, 200}));
}

TEST_F(CudnnTest, ChannelsLieInnermostInTensorsAndFilters) {
  const ConvolutionShape pixel{.c = 2, .h = 1, .w = 1, .k = 2, .filter = 1, .padding = 0};
  EXPECT_EQ(forward_of(pixel, {1, 2}, {1, 10, 100, 1000}), (Floats{21, 2100}));
}

TEST_F(CudnnTest, StrideDilationAndGroupsAreHonoured) {
  EXPECT_EQ(forward_of({.filter = 1, .padding = 0, .stride = 2}, kImage, {1}),
            (Floats{1, 3, 7, 9}));
  EXPECT_EQ(forward_of({.filter = 2, .padding = 0, .dilation = 2}, kImage, {1, 10, 100, 1000}),
            (Floats{1 + 30 + 700 + 9000}));
  const ConvolutionShape grouped{
      .c = 2, .h = 1, .w = 1, .k = 4, .filter = 1, .padding = 0, .groups = 2};
  EXPECT_EQ(forward_of(grouped, {2, 3}, {1, 10, 100, 1000}), (Floats{2, 20, 300, 3000}));
}

TEST_F(CudnnTest, GradientsStayWithinTheirGroup) {
  set({.c = 2, .h = 1, .w = 1, .k = 4, .filter = 1, .padding = 0, .groups = 2});
  const DeviceArray<float> x({2, 3}), w({1, 10, 100, 1000}), dy({1, 2, 3, 4}), dx(2), dw(4);
  ASSERT_CUDNN(backward_data(w, dy, dx, CUDNN_CONVOLUTION_BWD_DATA_ALGO_1));
  ASSERT_CUDNN(backward_filter(x, dy, dw, CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1));
  EXPECT_EQ(dx.values(), (Floats{21, 4300}));
  EXPECT_EQ(dw.values(), (Floats{2, 4, 9, 12}));
}

TEST_F(CudnnTest, StridesOfATensorAreHonoured) {
  set({.h = 1, .w = 2, .filter = 1, .padding = 0});
  ASSERT_CUDNN(
      cudnnSetTensor4dDescriptorEx(x_, CUDNN_DATA_FLOAT, 1, 1, 1, 2, /*strides*/ 8, 1, 8, 4));
  const DeviceArray<float> x({1, 0, 0, 0, 2}), w({10}), y(2);
  ASSERT_CUDNN(forward(x, w, y));
  EXPECT_EQ(y.values(), (Floats{10, 20}));
}

TEST_F(CudnnTest, AlphaAndBetaBlendWithTheOutput) {
  set({.h = 1, .w = 1, .filter = 1, .padding = 0});
  const DeviceArray<float> x({3}), w({5}), y({7});
  ASSERT_CUDNN(forward(x, w, y, 2.0f, 10.0f));
  EXPECT_EQ(y.values(), (Floats{100}));
}

TEST_F(CudnnTest, Bfloat16IsSummedInFloatAndRoundedOnce) {
  set({.c = 3, .h = 1, .w = 1, .filter = 1, .padding = 0, .type = CUDNN_DATA_BFLOAT16});
  // 256 + 1 + 2 lies between the bfloat16s 258 and 260; rounding each sum would give 258.
  const DeviceArray<unsigned short> x({0x4380, 0x3f80, 0x4000}), w({0x3f80, 0x3f80, 0x3f80}), y(1);
  ASSERT_CUDNN(forward(x, w, y));
  EXPECT_EQ(y.values()[0], 0x4382);  // to even: 260
}

TEST_F(CudnnTest, AllMathButFmaRoundsFloatsToTf32) {
  const float fine = 1.0f + std::ldexp(1.0f, -11);
  const ConvolutionShape exact{.h = 1, .w = 1, .filter = 1, .padding = 0};
  ConvolutionShape fast = exact;
  EXPECT_EQ(forward_of(exact, {fine}, {1}), (Floats{fine}));
  for (const auto math : {CUDNN_DEFAULT_MATH, CUDNN_TENSOR_OP_MATH}) {
    fast.math = math;
    EXPECT_EQ(forward_of(fast, {fine}, {1}), (Floats{1.0f + std::ldexp(1.0f, -10)}));
    EXPECT_EQ(forward_of(fast, {1}, {1.0f + std::ldexp(1.0f, -12)}), (Floats{1.0f}));
  }
}

TEST_F(CudnnTest, RunsOnTheStreamAndNotBefore) {
  const DeviceArray<float> x(kImage), w(kFilter), y(9);
  ASSERT_CUDNN(forward(x, w, y));
  EXPECT_TRUE(std::isnan(y.values_now()[0]));
  ASSERT_CUDA(cudaStreamSynchronize(other_));
  EXPECT_TRUE(std::isnan(y.values_now()[0]));
  ASSERT_CUDA(cudaStreamSynchronize(stream_));
  EXPECT_EQ(y.values_now()[0], 10.0f);
  EXPECT_EQ(counters().library_calls_run, before_.library_calls_run + 1);
}

TEST_F(CudnnTest, IsRecordedInGraphsWithTheDescriptorsOfTheCall) {
  const DeviceArray<float> x(kImage), w(kFilter), y(9);
  ASSERT_CUDA(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
  ASSERT_CUDNN(forward(x, w, y));
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  ASSERT_CUDA(cudaStreamEndCapture(stream_, &graph));
  ASSERT_CUDA(cudaGraphInstantiate(&exec, graph, 0));
  set({.h = 9, .w = 9});
  ASSERT_CUDA(cudaGraphLaunch(exec, stream_));
  EXPECT_EQ(y.values()[4], 51.0f);
  ASSERT_CUDA(cudaGraphExecDestroy(exec));
  ASSERT_CUDA(cudaGraphDestroy(graph));
}

TEST_F(CudnnTest, OutputDimensionsFollowFromTheDescriptors) {
  set({.n = 2, .h = 7, .w = 5, .k = 4, .stride = 2});
  int n, k, p, q;
  ASSERT_CUDNN(cudnnGetConvolution2dForwardOutputDim(conv_, x_, w_, &n, &k, &p, &q));
  EXPECT_EQ((std::vector<int>{n, k, p, q}), (std::vector<int>{2, 4, 4, 3}));
}

class FusedCudnnTest : public CudnnTest {
 protected:
  FusedCudnnTest() { EXPECT_CUDNN(cudnnCreateActivationDescriptor(&activation_)); }
  ~FusedCudnnTest() override { EXPECT_CUDNN(cudnnDestroyActivationDescriptor(activation_)); }

  cudnnStatus_t fused(cudnnActivationMode_t mode, cudnnConvolutionFwdAlgo_t algo, float alpha2) {
    EXPECT_CUDNN(cudnnSetActivationDescriptor(activation_, mode, CUDNN_NOT_PROPAGATE_NAN, 0.0));
    const float alpha = 1.0f;
    return cudnnConvolutionBiasActivationForward(
        handle_, &alpha, x_, x.data(), w_, w.data(), conv_, algo, scratch.data(), scratch.bytes(),
        &alpha2, y_, z.data(), bias_, bias.data(), activation_, y_, y.data());
  }

  cudnnActivationDescriptor_t activation_ = nullptr;
  const DeviceArray<float> x = DeviceArray<float>(kImage), w = DeviceArray<float>(kFilter);
  const DeviceArray<float> y = DeviceArray<float>(9), scratch = DeviceArray<float>(10000);
  const DeviceArray<float> bias{-50.0f}, z{1, 1, 1, 1, 1, 1, 1, 1, 1};
};

TEST_F(FusedCudnnTest, BiasAndReluFollowTheConvolution) {
  ASSERT_CUDNN(fused(CUDNN_ACTIVATION_RELU, CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM, 0.0f));
  EXPECT_EQ(y.values(), (Floats{0, 0, 0, 0, 1, 12, 20, 34, 45}));
}

TEST_F(FusedCudnnTest, ZIsAddedBeforeTheActivation) {
  ASSERT_CUDNN(fused(CUDNN_ACTIVATION_RELU, kForward, 5.0f));
  EXPECT_EQ(y.values(), (Floats{0, 0, 0, 0, 6, 17, 25, 39, 50}));
}

TEST_F(FusedCudnnTest, IdentityNeedsThePrecomputingAlgorithm) {
  EXPECT_EQ(fused(CUDNN_ACTIVATION_IDENTITY, CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM, 0.0f),
            CUDNN_STATUS_NOT_SUPPORTED);
  ASSERT_CUDNN(fused(CUDNN_ACTIVATION_IDENTITY, kForward, 0.0f));
  EXPECT_EQ(y.values(), (Floats{-40, -30, -20, -10, 1, 12, 20, 34, 45}));
  EXPECT_EQ(fused(CUDNN_ACTIVATION_TANH, kForward, 0.0f), CUDNN_STATUS_NOT_SUPPORTED);
}

}  // namespace
}  // namespace sluice::emulator::testing
