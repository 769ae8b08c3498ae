// Choosing convolution algorithms: what there is, what it needs, whether it is deterministic.
#include <algorithm>

#include "cudnn/problem.h"

namespace sluice::emulator::cudnn {
namespace {

// The answers of cudnnGet...Algorithm_v7: what works, fastest first, then one that does not.
template <typename Algo, typename Perf>
cudnnStatus_t list(const std::vector<Algorithm<Algo>>& algorithms, Algo refused,
                   const Problem& problem, int requested, int* returned, Perf* results) {
  if (requested < 1 || returned == nullptr || results == nullptr) {
    return bad_param("no place for results");
  }
  const int size = static_cast<int>(algorithms.size());
  *returned = std::min(requested, size + 1);
  for (int i = 0; i < *returned; ++i) {
    Perf& result = results[i];
    result = {};
    result.mathType = problem.conv.math;
    if (i < size) {
      result.algo = algorithms[i].algo;
      result.status = CUDNN_STATUS_SUCCESS;
      result.time = static_cast<float>(i + 1);
      result.memory = workspace_size(problem, algorithms[i].algo);
      result.determinism = algorithms[i].determinism;
    } else {
      result.algo = refused;
      result.status = CUDNN_STATUS_NOT_SUPPORTED;
      result.time = -1.0f;
    }
  }
  return CUDNN_STATUS_SUCCESS;
}

template <typename Algo>
cudnnStatus_t workspace(const std::vector<Algorithm<Algo>>& algorithms, Algo algo,
                        const Problem& problem, size_t* size) {
  if (size == nullptr) return bad_param("no place for the size");
  if (find_algorithm(algorithms, algo) == nullptr) return not_supported("algorithm");
  *size = workspace_size(problem, algo);
  return CUDNN_STATUS_SUCCESS;
}

// Calls body(problem) for a valid problem.
template <typename Body>
cudnnStatus_t with_problem(const char* function, cudnnHandle_t handle, cudnnTensorDescriptor_t x,
                           cudnnFilterDescriptor_t w, cudnnConvolutionDescriptor_t conv,
                           cudnnTensorDescriptor_t y, const Body& body) {
  return library_call<cudnnStatus_t>(function, [&] {
    if (tables().contexts.find(handle) == nullptr) return bad_param("not a handle");
    Problem problem;
    if (const cudnnStatus_t status = find_problem(x, w, conv, y, &problem)) return status;
    return body(problem);
  });
}

cudnnStatus_t max_count(const char* function, int* count, int value) {
  return library_call<cudnnStatus_t>(function, [&] {
    if (count == nullptr) return bad_param("no place for the count");
    *count = value;
    return CUDNN_STATUS_SUCCESS;
  });
}

}  // namespace
}  // namespace sluice::emulator::cudnn

using namespace sluice::emulator;
using namespace sluice::emulator::cudnn;

cudnnStatus_t cudnnGetConvolution2dForwardOutputDim(const cudnnConvolutionDescriptor_t conv,
                                                    const cudnnTensorDescriptor_t x,
                                                    const cudnnFilterDescriptor_t w, int* n, int* c,
                                                    int* h, int* width) {
  return library_call<cudnnStatus_t>(__func__, [&] {
    const std::shared_ptr<Tensor> x_found = tables().tensors.find(x);
    const std::shared_ptr<Filter> w_found = tables().filters.find(w);
    const std::shared_ptr<Convolution> conv_found = tables().convolutions.find(conv);
    if (!x_found || !w_found || !conv_found) return bad_param("not a descriptor");
    if (w_found->c * conv_found->groups != x_found->c) return bad_param("channels do not fit");
    const OutputSize out = output_size(*x_found, *w_found, *conv_found);
    if (out.p <= 0 || out.q <= 0) return bad_param("the filter is larger than the padded image");
    *n = out.n;
    *c = out.k;
    *h = out.p;
    *width = out.q;
    return CUDNN_STATUS_SUCCESS;
  });
}

// Forward.

cudnnStatus_t cudnnGetConvolutionForwardAlgorithmMaxCount(cudnnHandle_t, int* count) {
  return max_count(__func__, count, CUDNN_CONVOLUTION_FWD_ALGO_COUNT);
}

cudnnStatus_t cudnnGetConvolutionForwardAlgorithm_v7(
    cudnnHandle_t handle, const cudnnTensorDescriptor_t x, const cudnnFilterDescriptor_t w,
    const cudnnConvolutionDescriptor_t conv, const cudnnTensorDescriptor_t y, const int requested,
    int* returned, cudnnConvolutionFwdAlgoPerf_t* results) {
  return with_problem(__func__, handle, x, w, conv, y, [&](const Problem& problem) {
    return list(forward_algorithms(), CUDNN_CONVOLUTION_FWD_ALGO_FFT, problem, requested, returned,
                results);
  });
}

cudnnStatus_t cudnnGetConvolutionForwardWorkspaceSize(
    cudnnHandle_t handle, const cudnnTensorDescriptor_t x, const cudnnFilterDescriptor_t w,
    const cudnnConvolutionDescriptor_t conv, const cudnnTensorDescriptor_t y,
    cudnnConvolutionFwdAlgo_t algo, size_t* size) {
  return with_problem(__func__, handle, x, w, conv, y, [&](const Problem& problem) {
    return workspace(forward_algorithms(), algo, problem, size);
  });
}

// Backward data.

cudnnStatus_t cudnnGetConvolutionBackwardDataAlgorithmMaxCount(cudnnHandle_t, int* count) {
  return max_count(__func__, count, CUDNN_CONVOLUTION_BWD_DATA_ALGO_COUNT);
}

cudnnStatus_t cudnnGetConvolutionBackwardDataAlgorithm_v7(
    cudnnHandle_t handle, const cudnnFilterDescriptor_t w, const cudnnTensorDescriptor_t dy,
    const cudnnConvolutionDescriptor_t conv, const cudnnTensorDescriptor_t dx, const int requested,
    int* returned, cudnnConvolutionBwdDataAlgoPerf_t* results) {
  return with_problem(__func__, handle, dx, w, conv, dy, [&](const Problem& problem) {
    return list(data_algorithms(), CUDNN_CONVOLUTION_BWD_DATA_ALGO_FFT, problem, requested,
                returned, results);
  });
}

cudnnStatus_t cudnnGetConvolutionBackwardDataWorkspaceSize(
    cudnnHandle_t handle, const cudnnFilterDescriptor_t w, const cudnnTensorDescriptor_t dy,
    const cudnnConvolutionDescriptor_t conv, const cudnnTensorDescriptor_t dx,
    cudnnConvolutionBwdDataAlgo_t algo, size_t* size) {
  return with_problem(__func__, handle, dx, w, conv, dy, [&](const Problem& problem) {
    return workspace(data_algorithms(), algo, problem, size);
  });
}

// Backward filter.

cudnnStatus_t cudnnGetConvolutionBackwardFilterAlgorithmMaxCount(cudnnHandle_t, int* count) {
  return max_count(__func__, count, CUDNN_CONVOLUTION_BWD_FILTER_ALGO_COUNT);
}

cudnnStatus_t cudnnGetConvolutionBackwardFilterAlgorithm_v7(
    cudnnHandle_t handle, const cudnnTensorDescriptor_t x, const cudnnTensorDescriptor_t dy,
    const cudnnConvolutionDescriptor_t conv, const cudnnFilterDescriptor_t dw, const int requested,
    int* returned, cudnnConvolutionBwdFilterAlgoPerf_t* results) {
  return with_problem(__func__, handle, x, dw, conv, dy, [&](const Problem& problem) {
    return list(filter_algorithms(), CUDNN_CONVOLUTION_BWD_FILTER_ALGO_FFT, problem, requested,
                returned, results);
  });
}

cudnnStatus_t cudnnGetConvolutionBackwardFilterWorkspaceSize(
    cudnnHandle_t handle, const cudnnTensorDescriptor_t x, const cudnnTensorDescriptor_t dy,
    const cudnnConvolutionDescriptor_t conv, const cudnnFilterDescriptor_t dw,
    cudnnConvolutionBwdFilterAlgo_t algo, size_t* size) {
  return with_problem(__func__, handle, x, dw, conv, dy, [&](const Problem& problem) {
    return workspace(filter_algorithms(), algo, problem, size);
  });
}
