// Convolution, bias and activation in one call: y = activation(alpha1 conv(x, w) + alpha2 z +
// bias).
#include <vector>

#include "cudnn/execution.h"

namespace sluice::emulator::cudnn {
namespace {

// What is added to the convolution.
struct Fusion {
  Tensor z;
  const void* z_data = nullptr;
  float alpha = 1.0f;   // of the convolution
  float alpha2 = 0.0f;  // of z
  Tensor bias;
  const void* bias_data = nullptr;
  bool relu = false;
};

void run_fused(const Problem& problem, const Fusion& fusion, const void* x, const void* w,
               void* y) {
  std::vector<float> sums = convolve(problem, x, w);
  const Number number = problem.number();
  const auto channels = static_cast<size_t>(problem.y.c);
  for_each_element(fusion.z, [&](size_t at, size_t i) {
    const Scale scale{fusion.alpha, fusion.alpha2};
    sums[i] = scale.blend(sums[i], fusion.z_data, at, number);
    sums[i] += load(fusion.bias_data, i % channels * fusion.bias.c_stride, number);
    if (fusion.relu && sums[i] < 0.0f) sums[i] = 0.0f;
  });
  pack(problem.y, sums, Scale{}, y);
}

cudnnStatus_t check_fusion(const Problem& problem, const Fusion& fusion, cudnnActivationMode_t mode,
                           cudnnConvolutionFwdAlgo_t algo) {
  if (mode != CUDNN_ACTIVATION_RELU && mode != CUDNN_ACTIVATION_IDENTITY) {
    return not_supported("an activation other than RELU and IDENTITY");
  }
  if (mode == CUDNN_ACTIVATION_IDENTITY &&
      algo != CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM) {
    return not_supported("IDENTITY with an algorithm other than IMPLICIT_PRECOMP_GEMM");
  }
  const Tensor &y = problem.y, &z = fusion.z, &bias = fusion.bias;
  if (z.n != y.n || z.c != y.c || z.h != y.h || z.w != y.w || z.type != y.type) {
    return bad_param("z is not of y's dimensions and type");
  }
  if (bias.n != 1 || bias.c != y.c || bias.h != 1 || bias.w != 1 || bias.type != y.type) {
    return bad_param("the bias is not [1, K, 1, 1] of y's type");
  }
  if (!on_device(fusion.z_data, z) || !on_device(fusion.bias_data, bias)) {
    return bad_param("z or the bias is not device memory");
  }
  return CUDNN_STATUS_SUCCESS;
}

}  // namespace
}  // namespace sluice::emulator::cudnn

using namespace sluice::emulator;
using namespace sluice::emulator::cudnn;

cudnnStatus_t cudnnConvolutionBiasActivationForward(
    cudnnHandle_t handle, const void* alpha1, const cudnnTensorDescriptor_t x_desc, const void* x,
    const cudnnFilterDescriptor_t w_desc, const void* w, const cudnnConvolutionDescriptor_t conv,
    cudnnConvolutionFwdAlgo_t algo, void* workspace_data, size_t workspace_bytes,
    const void* alpha2, const cudnnTensorDescriptor_t z_desc, const void* z,
    const cudnnTensorDescriptor_t bias_desc, const void* bias,
    const cudnnActivationDescriptor_t activation_desc, const cudnnTensorDescriptor_t y_desc,
    void* y) {
  return with_context(__func__, handle, [&](const Context& context) {
    Problem problem;
    if (const auto status = find_problem(x_desc, w_desc, conv, y_desc, &problem)) return status;
    const auto z_found = tables().tensors.find(z_desc);
    const auto bias_found = tables().tensors.find(bias_desc);
    const auto activation = tables().activations.find(activation_desc);
    if (!z_found || !bias_found || !activation) return bad_param("not a descriptor");
    const auto scale = scale_of(alpha1, alpha2);
    if (!scale) return bad_param("no alpha1 or alpha2");
    const Fusion fusion{*z_found,
                        z,
                        scale->alpha,
                        scale->beta,
                        *bias_found,
                        bias,
                        activation->mode == CUDNN_ACTIVATION_RELU};
    if (find_algorithm(forward_algorithms(), algo) == nullptr) return not_supported("algorithm");
    if (const auto status = check_data(problem, x, w, y)) return status;
    if (const auto status = check_fusion(problem, fusion, activation->mode, algo)) return status;
    const Workspace workspace{workspace_data, workspace_bytes, workspace_size(problem, algo)};
    if (const auto status = check_workspace(workspace)) return status;
    return enqueue_on(context, [=] {
      workspace.scribble();
      run_fused(problem, fusion, x, w, y);
    });
  });
}
