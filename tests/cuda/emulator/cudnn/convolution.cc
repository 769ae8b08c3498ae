// Convolutions forward and backward.
#include <atomic>
#include <vector>

#include "cudnn/execution.h"

namespace sluice::emulator::cudnn {
namespace {

SumOrder sum_order(cudnnDeterminism_t determinism) {
  static std::atomic<int> runs{0};
  const bool reversed = determinism == CUDNN_NON_DETERMINISTIC && runs++ % 2 != 0;
  return reversed ? SumOrder::kReversed : SumOrder::kForward;
}

}  // namespace
}  // namespace sluice::emulator::cudnn

using namespace sluice::emulator;
using namespace sluice::emulator::cudnn;

cudnnStatus_t cudnnConvolutionForward(cudnnHandle_t handle, const void* alpha,
                                      const cudnnTensorDescriptor_t x_desc, const void* x,
                                      const cudnnFilterDescriptor_t w_desc, const void* w,
                                      const cudnnConvolutionDescriptor_t conv,
                                      cudnnConvolutionFwdAlgo_t algo, void* workspace_data,
                                      size_t workspace_bytes, const void* beta,
                                      const cudnnTensorDescriptor_t y_desc, void* y) {
  return with_context(__func__, handle, [&](const Context& context) {
    Problem problem;
    if (const auto status = find_problem(x_desc, w_desc, conv, y_desc, &problem)) return status;
    const auto scale = scale_of(alpha, beta);
    if (!scale) return bad_param("no alpha or beta");
    if (find_algorithm(forward_algorithms(), algo) == nullptr) return not_supported("algorithm");
    if (const auto status = check_data(problem, x, w, y)) return status;
    const Workspace workspace{workspace_data, workspace_bytes, workspace_size(problem, algo)};
    if (const auto status = check_workspace(workspace)) return status;
    return enqueue_on(context, [=] {
      workspace.scribble();
      pack(problem.y, convolve(problem, x, w), *scale, y);
    });
  });
}

cudnnStatus_t cudnnConvolutionBackwardData(cudnnHandle_t handle, const void* alpha,
                                           const cudnnFilterDescriptor_t w_desc, const void* w,
                                           const cudnnTensorDescriptor_t dy_desc, const void* dy,
                                           const cudnnConvolutionDescriptor_t conv,
                                           cudnnConvolutionBwdDataAlgo_t algo, void* workspace_data,
                                           size_t workspace_bytes, const void* beta,
                                           const cudnnTensorDescriptor_t dx_desc, void* dx) {
  return with_context(__func__, handle, [&](const Context& context) {
    Problem problem;
    if (const auto status = find_problem(dx_desc, w_desc, conv, dy_desc, &problem)) return status;
    const auto scale = scale_of(alpha, beta);
    if (!scale) return bad_param("no alpha or beta");
    const auto* const algorithm = find_algorithm(data_algorithms(), algo);
    if (algorithm == nullptr) return not_supported("algorithm");
    if (const auto status = check_data(problem, dx, w, dy)) return status;
    const Workspace workspace{workspace_data, workspace_bytes, workspace_size(problem, algo)};
    if (const auto status = check_workspace(workspace)) return status;
    return enqueue_on(context, [=, determinism = algorithm->determinism] {
      workspace.scribble();
      std::vector<float> sums(problem.x.elements(), 0.0f);
      backward_data(problem.geometry(), unpack(problem.w, w, problem.precision()).data(),
                    unpack(problem.y, dy, problem.precision()).data(), sum_order(determinism),
                    sums.data());
      pack(problem.x, sums, *scale, dx);
    });
  });
}

cudnnStatus_t cudnnConvolutionBackwardFilter(
    cudnnHandle_t handle, const void* alpha, const cudnnTensorDescriptor_t x_desc, const void* x,
    const cudnnTensorDescriptor_t dy_desc, const void* dy, const cudnnConvolutionDescriptor_t conv,
    cudnnConvolutionBwdFilterAlgo_t algo, void* workspace_data, size_t workspace_bytes,
    const void* beta, const cudnnFilterDescriptor_t dw_desc, void* dw) {
  return with_context(__func__, handle, [&](const Context& context) {
    Problem problem;
    if (const auto status = find_problem(x_desc, dw_desc, conv, dy_desc, &problem)) return status;
    const auto scale = scale_of(alpha, beta);
    if (!scale) return bad_param("no alpha or beta");
    const auto* const algorithm = find_algorithm(filter_algorithms(), algo);
    if (algorithm == nullptr) return not_supported("algorithm");
    if (const auto status = check_data(problem, x, dw, dy)) return status;
    const Workspace workspace{workspace_data, workspace_bytes, workspace_size(problem, algo)};
    if (const auto status = check_workspace(workspace)) return status;
    return enqueue_on(context, [=, determinism = algorithm->determinism] {
      workspace.scribble();
      std::vector<float> sums(problem.w.elements(), 0.0f);
      backward_filter(problem.geometry(), unpack(problem.x, x, problem.precision()).data(),
                      unpack(problem.y, dy, problem.precision()).data(), sum_order(determinism),
                      sums.data());
      pack(problem.w, sums, *scale, dw);
    });
  });
}

cudnnStatus_t cudnnConvolutionBackwardBias(cudnnHandle_t handle, const void* alpha,
                                           const cudnnTensorDescriptor_t dy_desc, const void* dy,
                                           const void* beta, const cudnnTensorDescriptor_t db_desc,
                                           void* db) {
  return with_context(__func__, handle, [&](const Context& context) {
    const auto dy_found = tables().tensors.find(dy_desc);
    const auto db_found = tables().tensors.find(db_desc);
    if (!dy_found || !db_found) return bad_param("not a descriptor");
    const auto scale = scale_of(alpha, beta);
    if (!scale) return bad_param("no alpha or beta");
    const Tensor from = *dy_found, to = *db_found;
    if (to.n != 1 || to.c != from.c || to.h != 1 || to.w != 1 || to.type != from.type) {
      return bad_param("db is not [1, C, 1, 1] of dy's type");
    }
    if (!on_device(dy, from) || !on_device(db, to)) return bad_param("not device memory");
    return enqueue_on(context, [=] {
      std::vector<float> sums(to.elements(), 0.0f);
      for_each_element(from, [&](size_t at, size_t i) {
        sums[i % sums.size()] += load(dy, at, number_of(from.type));
      });
      pack(to, sums, *scale, db);
    });
  });
}
