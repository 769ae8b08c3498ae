// Objects of CUDA's libraries that destroy themselves.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime.h>
#include <cudnn.h>

#include <memory>

#include "backend/cuda/check.h"

namespace sluice::backend::cuda {

template <auto destroy>
struct Destroy {
  template <typename T>
  void operator()(T* handle) const {
    (void)destroy(handle);  // nobody could do anything about it
  }
};

using Stream = std::unique_ptr<CUstream_st, Destroy<cudaStreamDestroy>>;
using Event = std::unique_ptr<CUevent_st, Destroy<cudaEventDestroy>>;
using GraphHandle = std::unique_ptr<CUgraph_st, Destroy<cudaGraphDestroy>>;
using GraphExec = std::unique_ptr<CUgraphExec_st, Destroy<cudaGraphExecDestroy>>;
using MemoryPoolHandle = std::unique_ptr<CUmemPoolHandle_st, Destroy<cudaMemPoolDestroy>>;

using CudnnHandle = std::unique_ptr<cudnnContext, Destroy<cudnnDestroy>>;
using TensorDescriptor = std::unique_ptr<cudnnTensorStruct, Destroy<cudnnDestroyTensorDescriptor>>;
using FilterDescriptor = std::unique_ptr<cudnnFilterStruct, Destroy<cudnnDestroyFilterDescriptor>>;
using ConvolutionDescriptor =
    std::unique_ptr<cudnnConvolutionStruct, Destroy<cudnnDestroyConvolutionDescriptor>>;
using ActivationDescriptor =
    std::unique_ptr<cudnnActivationStruct, Destroy<cudnnDestroyActivationDescriptor>>;

using CublasLtHandle = std::unique_ptr<cublasLtContext, Destroy<cublasLtDestroy>>;
using MatmulDescriptor =
    std::unique_ptr<cublasLtMatmulDescOpaque_t, Destroy<cublasLtMatmulDescDestroy>>;
using MatrixLayout =
    std::unique_ptr<cublasLtMatrixLayoutOpaque_t, Destroy<cublasLtMatrixLayoutDestroy>>;
using MatmulPreference =
    std::unique_ptr<cublasLtMatmulPreferenceOpaque_t, Destroy<cublasLtMatmulPreferenceDestroy>>;

// Streams do not wait for the default stream; events measure no time.
Stream make_stream();
Event make_event();

// A handle that `create(&handle, arguments...)` makes: made<TensorDescriptor>(cudnnCreate...).
template <typename Unique, typename Create, typename... Arguments>
Unique made(Create create, Arguments... arguments) {
  typename Unique::pointer handle = nullptr;
  SLUICE_CHECKED(create(&handle, arguments...));
  return Unique(handle);
}

}  // namespace sluice::backend::cuda
