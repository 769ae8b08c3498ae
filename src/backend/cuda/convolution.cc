#include "backend/cuda/convolution.h"

#include <array>

namespace sluice::backend::cuda {
namespace {

constexpr float kOne = 1, kZero = 0;
constexpr int kMostAlgorithms = 16;

TensorDescriptor tensor(DataType type, int64_t n, int64_t h, int64_t w, int64_t c) {
  auto descriptor = made<TensorDescriptor>(cudnnCreateTensorDescriptor);
  SLUICE_CHECKED(cudnnSetTensor4dDescriptor(descriptor.get(), CUDNN_TENSOR_NHWC, cudnn_type(type),
                                            static_cast<int>(n), static_cast<int>(c),
                                            static_cast<int>(h), static_cast<int>(w)));
  return descriptor;
}

FilterDescriptor filter(const ConvolutionShape& s) {
  auto descriptor = made<FilterDescriptor>(cudnnCreateFilterDescriptor);
  SLUICE_CHECKED(cudnnSetFilter4dDescriptor(
      descriptor.get(), cudnn_type(s.type), CUDNN_TENSOR_NHWC, static_cast<int>(s.filters),
      static_cast<int>(s.channels), static_cast<int>(s.kernel_h), static_cast<int>(s.kernel_w)));
  return descriptor;
}

ConvolutionDescriptor convolution(const Context& context, const ConvolutionShape& s) {
  auto descriptor = made<ConvolutionDescriptor>(cudnnCreateConvolutionDescriptor);
  SLUICE_CHECKED(cudnnSetConvolution2dDescriptor(
      descriptor.get(), static_cast<int>(s.padding_h), static_cast<int>(s.padding_w),
      static_cast<int>(s.stride_h), static_cast<int>(s.stride_w), 1, 1, CUDNN_CROSS_CORRELATION,
      CUDNN_DATA_FLOAT));
  SLUICE_CHECKED(cudnnSetConvolutionMathType(descriptor.get(), context.math_type(s.type)));
  return descriptor;
}

ActivationDescriptor activation(cudnnActivationMode_t mode) {
  auto descriptor = made<ActivationDescriptor>(cudnnCreateActivationDescriptor);
  SLUICE_CHECKED(cudnnSetActivationDescriptor(descriptor.get(), mode, CUDNN_PROPAGATE_NAN, 0));
  return descriptor;
}

// Results come fastest first.
template <typename Performance>
int best(const Context& context, const std::array<Performance, kMostAlgorithms>& results, int count,
         const char* direction) {
  for (int i = 0; i < count; ++i) {
    const Performance& result = results[static_cast<size_t>(i)];
    if (result.status != CUDNN_STATUS_SUCCESS) continue;
    if (result.memory > context.workspace.size()) continue;
    if (context.deterministic && result.determinism != CUDNN_DETERMINISTIC) continue;
    return result.algo;
  }
  throw CudaError(std::string("cuDNN has no ") + (context.deterministic ? "deterministic " : "") +
                  "algorithm for a convolution's " + direction);
}

// Deterministic replicas must choose the same in every run, so they take cuDNN's word for which is
// fastest; the others measure.
template <typename Performance, typename Ask, typename Measure>
int choose(const Context& context, const char* direction, const Ask& ask, const Measure& measure) {
  std::array<Performance, kMostAlgorithms> results{};
  int count = 0;
  if (context.deterministic) {
    check(ask(kMostAlgorithms, &count, results.data()), "cudnnGetConvolutionAlgorithm");
  } else {
    check(measure(kMostAlgorithms, &count, results.data()), "cudnnFindConvolutionAlgorithm");
  }
  return best(context, results, count, direction);
}

bool unsupported(cudnnStatus_t status) {
  const int category = CUDNN_STATUS_CATEGORY(status);
  return category == CUDNN_STATUS_NOT_SUPPORTED || category == CUDNN_STATUS_BAD_PARAM;
}

}  // namespace

Convolution::Convolution(const Context& context, const ConvolutionShape& shape)
    : context_(context),
      shape_(shape),
      x_(tensor(shape.type, shape.batch, shape.height, shape.width, shape.channels)),
      y_(tensor(shape.type, shape.batch, shape.out_height, shape.out_width, shape.filters)),
      bias_(tensor(shape.type, 1, 1, 1, shape.filters)),
      w_(filter(shape)),
      convolution_(convolution(context, shape)),
      relu_(activation(CUDNN_ACTIVATION_RELU)),
      linear_(activation(CUDNN_ACTIVATION_IDENTITY)) {}

std::string Convolution::key(const char* direction) const {
  const ConvolutionShape& s = shape_;
  std::string key = direction;
  for (const int64_t number :
       {s.batch, s.height, s.width, s.channels, s.kernel_h, s.kernel_w, s.filters, s.stride_h,
        s.stride_w, s.padding_h, s.padding_w, static_cast<int64_t>(s.type),
        static_cast<int64_t>(context_.math_type(s.type)), int64_t{context_.deterministic}}) {
    key += ' ' + std::to_string(number);
  }
  return key;
}

void Convolution::prepare_forward(const void* x, const void* w, void* y) {
  using Performance = cudnnConvolutionFwdAlgoPerf_t;
  const auto find = [&] {
    return choose<Performance>(
        context_, "forward pass",
        [&](int most, int* count, Performance* results) {
          return cudnnGetConvolutionForwardAlgorithm_v7(context_.cudnn.get(), x_.get(), w_.get(),
                                                        convolution_.get(), y_.get(), most, count,
                                                        results);
        },
        [&](int most, int* count, Performance* results) {
          return cudnnFindConvolutionForwardAlgorithmEx(
              context_.cudnn.get(), x_.get(), x, w_.get(), w, convolution_.get(), y_.get(), y, most,
              count, results, context_.workspace.data(), context_.workspace.size());
        });
  };
  forward_ =
      static_cast<cudnnConvolutionFwdAlgo_t>(context_.device->algorithm(key("forward"), find));
}

void Convolution::prepare_kernel_gradient(const void* x, const void* dy, void* dw) {
  using Performance = cudnnConvolutionBwdFilterAlgoPerf_t;
  const auto find = [&] {
    return choose<Performance>(
        context_, "kernel gradient",
        [&](int most, int* count, Performance* results) {
          return cudnnGetConvolutionBackwardFilterAlgorithm_v7(context_.cudnn.get(), x_.get(),
                                                               y_.get(), convolution_.get(),
                                                               w_.get(), most, count, results);
        },
        [&](int most, int* count, Performance* results) {
          return cudnnFindConvolutionBackwardFilterAlgorithmEx(
              context_.cudnn.get(), x_.get(), x, y_.get(), dy, convolution_.get(), w_.get(), dw,
              most, count, results, context_.workspace.data(), context_.workspace.size());
        });
  };
  kernel_gradient_ = static_cast<cudnnConvolutionBwdFilterAlgo_t>(
      context_.device->algorithm(key("kernel gradient"), find));
}

void Convolution::prepare_input_gradient(const void* w, const void* dy, void* dx) {
  using Performance = cudnnConvolutionBwdDataAlgoPerf_t;
  const auto find = [&] {
    return choose<Performance>(
        context_, "input gradient",
        [&](int most, int* count, Performance* results) {
          return cudnnGetConvolutionBackwardDataAlgorithm_v7(context_.cudnn.get(), w_.get(),
                                                             y_.get(), convolution_.get(), x_.get(),
                                                             most, count, results);
        },
        [&](int most, int* count, Performance* results) {
          return cudnnFindConvolutionBackwardDataAlgorithmEx(
              context_.cudnn.get(), w_.get(), w, y_.get(), dy, convolution_.get(), x_.get(), dx,
              most, count, results, context_.workspace.data(), context_.workspace.size());
        });
  };
  input_gradient_ = static_cast<cudnnConvolutionBwdDataAlgo_t>(
      context_.device->algorithm(key("input gradient"), find));
}

void Convolution::forward(const void* x, const void* w, void* y) const {
  SLUICE_CHECKED(cudnnConvolutionForward(context_.cudnn.get(), &kOne, x_.get(), x, w_.get(), w,
                                         convolution_.get(), forward_, context_.workspace.data(),
                                         context_.workspace.size(), &kZero, y_.get(), y));
}

bool Convolution::fused_forward(Activation activation, const void* x, const void* w,
                                const void* bias, void* y) const {
  const bool relu = activation == Activation::kRelu;
  // The only algorithm that cuDNN fuses a bias alone into.
  const auto algorithm = relu ? forward_ : CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM;
  const cudnnStatus_t status = cudnnConvolutionBiasActivationForward(
      context_.cudnn.get(), &kOne, x_.get(), x, w_.get(), w, convolution_.get(), algorithm,
      context_.workspace.data(), context_.workspace.size(), &kZero, y_.get(), y, bias_.get(), bias,
      relu ? relu_.get() : linear_.get(), y_.get(), y);
  if (unsupported(status)) return false;
  check(status, "cudnnConvolutionBiasActivationForward");
  return true;
}

void Convolution::kernel_gradient(const void* x, const void* dy, void* dw) const {
  SLUICE_CHECKED(cudnnConvolutionBackwardFilter(
      context_.cudnn.get(), &kOne, x_.get(), x, y_.get(), dy, convolution_.get(), kernel_gradient_,
      context_.workspace.data(), context_.workspace.size(), &kZero, w_.get(), dw));
}

void Convolution::input_gradient(const void* w, const void* dy, void* dx) const {
  SLUICE_CHECKED(cudnnConvolutionBackwardData(
      context_.cudnn.get(), &kOne, w_.get(), w, y_.get(), dy, convolution_.get(), input_gradient_,
      context_.workspace.data(), context_.workspace.size(), &kZero, x_.get(), dx));
}

}  // namespace sluice::backend::cuda
