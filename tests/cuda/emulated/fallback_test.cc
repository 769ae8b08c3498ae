// What cuDNN or cuBLASLt lists but does not do is passed over, and the step comes out the same.
#include <cublasLt.h>
#include <cudnn.h>
#include <gtest/gtest.h>

#include "backend/cuda_plugin.h"
#include "emulator.h"
#include "tests/backend/graph_builder.h"

extern "C" sluice::backend::CudaPlugin* sluice_cuda_plugin();

namespace sluice::backend::cuda {
namespace {

using testing::copy_of;
using testing::GraphBuilder;
using testing::Samples;
using enum Activation::Kind;

Graph model() {
  return GraphBuilder({8, 9, 2})
      .conv({.filters = 6})
      .activation(kRelu)
      .conv({.filters = 5, .kernel_h = 2, .kernel_w = 2})
      .flatten()
      .dense(12)
      .activation(kRelu)
      .dense(5)
      .activation(kSoftmax)
      .build(SparseCategoricalCrossentropy{});
}

// The gradients of one step. Nothing is remembered of the replica before: the device goes with it.
std::vector<float> gradients() {
  const auto gpus = sluice_cuda_plugin()->gpus();
  const auto backend = sluice_cuda_plugin()->open(gpus->front(), 0);
  const auto replica = backend->compile(model(), {.batch_size = 4});
  core::Rng rng(1);
  for (float& value : replica->parameters()) value = rng.uniform(-0.3f, 0.3f);
  replica->parameters_changed();
  replica->train_step(Samples(replica->graph(), 4, 7).batch());
  return copy_of(replica->gradients());
}

void expect_same_gradients(const std::string& failing, int error, int calls_before) {
  const std::vector<float> reference = gradients();
  emulator::fail_next(failing, error, calls_before);
  const std::vector<float> with_failure = gradients();
  emulator::forget_failures();
  ASSERT_EQ(with_failure.size(), reference.size());
  for (size_t i = 0; i < reference.size(); ++i) {
    ASSERT_NEAR(with_failure[i], reference[i], 1e-5f) << failing << " " << calls_before;
  }
}

TEST(CudaFallbackTest, AConvolutionTakesTheNextAlgorithm) {
  for (int layer = 0; layer < 2; ++layer) {
    expect_same_gradients("cudnnConvolutionForward", CUDNN_STATUS_EXECUTION_FAILED, layer);
    expect_same_gradients("cudnnConvolutionBackwardFilter", CUDNN_STATUS_NOT_SUPPORTED, layer);
  }
  expect_same_gradients("cudnnConvolutionBackwardData", CUDNN_STATUS_INTERNAL_ERROR, 0);
}

TEST(CudaFallbackTest, AConvolutionThatCannotBeFusedIsDoneInTwo) {
  for (int layer = 0; layer < 2; ++layer) {  // ReLU, then a bias alone
    expect_same_gradients("cudnnConvolutionBiasActivationForward", CUDNN_STATUS_INTERNAL_ERROR,
                          layer);
  }
}

TEST(CudaFallbackTest, AProductWithoutItsEpilogueIsFollowedByAKernel) {
  for (const int layer : {0, 1}) {
    expect_same_gradients("cublasLtMatmulAlgoGetHeuristic", CUBLAS_STATUS_INVALID_VALUE, layer);
  }
}

TEST(CudaFallbackTest, AProductTakesTheNextAlgorithm) {
  // At its first run and while it is measured; the second layer's first run is call 4.
  for (const int call : {0, 1, 4}) {
    expect_same_gradients("cublasLtMatmul", CUBLAS_STATUS_EXECUTION_FAILED, call);
  }
}

}  // namespace
}  // namespace sluice::backend::cuda
