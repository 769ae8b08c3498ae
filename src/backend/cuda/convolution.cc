#include "backend/cuda/convolution.h"

#include <algorithm>
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

ConvolutionDescriptor convolution(const ConvolutionShape& s) {
  auto descriptor = made<ConvolutionDescriptor>(cudnnCreateConvolutionDescriptor);
  SLUICE_CHECKED(cudnnSetConvolution2dDescriptor(
      descriptor.get(), static_cast<int>(s.padding_h), static_cast<int>(s.padding_w),
      static_cast<int>(s.stride_h), static_cast<int>(s.stride_w), 1, 1, CUDNN_CROSS_CORRELATION,
      CUDNN_DATA_FLOAT));
  return descriptor;
}

ActivationDescriptor activation(cudnnActivationMode_t mode) {
  auto descriptor = made<ActivationDescriptor>(cudnnCreateActivationDescriptor);
  SLUICE_CHECKED(cudnnSetActivationDescriptor(descriptor.get(), mode, CUDNN_PROPAGATE_NAN, 0));
  return descriptor;
}

// The most that an algorithm may take to compute in.
constexpr size_t kMostMemory = size_t{1} << 30;

// Whether what was put on the stream has worked; if not, the error is forgotten.
bool worked(const Context& context, cudnnStatus_t status) {
  const cudaError_t ran = cudaStreamSynchronize(context.compute.get());
  (void)cudaGetLastError();
  return status == CUDNN_STATUS_SUCCESS && ran == cudaSuccess;
}

// As much of it as there is, within --gpu-memory.
DeviceArray<char> space_up_to(Device& device, size_t bytes) {
  for (; bytes > 1; bytes /= 2) {
    try {
      return {device, bytes};
    } catch (const CudaError&) {
      continue;
    }
  }
  return {device, 1};
}

}  // namespace

Convolution::Convolution(const Context& context, const ConvolutionShape& shape)
    : context_(context),
      shape_(shape),
      x_(tensor(shape.type, shape.batch, shape.height, shape.width, shape.channels)),
      y_(tensor(shape.type, shape.batch, shape.out_height, shape.out_width, shape.filters)),
      bias_(tensor(shape.type, 1, 1, 1, shape.filters)),
      w_(filter(shape)),
      relu_(activation(CUDNN_ACTIVATION_RELU)),
      linear_(activation(CUDNN_ACTIVATION_IDENTITY)) {
  for (Direction* direction : {&forward_, &kernel_gradient_, &input_gradient_}) {
    direction->descriptor = convolution(shape);
    SLUICE_CHECKED(
        cudnnSetConvolutionMathType(direction->descriptor.get(), context.math_type(shape.type)));
  }
}

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

void Convolution::use(Direction& direction, const ConvolutionAlgorithm& algorithm) const {
  direction.chosen = algorithm;
  SLUICE_CHECKED(cudnnSetConvolutionMathType(direction.descriptor.get(),
                                             static_cast<cudnnMathType_t>(algorithm.math)));
  context_.workspace->reserve(algorithm.memory);
}

// cuDNN lists algorithms, each with an arithmetic, the fastest first: by its own estimate (`ask`),
// which is the same in every run and so what deterministic replicas go by, or as measured
// (`measure`). The first one counts that fits and that works when it is tried.
template <typename Performance, typename Ask, typename Measure, typename Run>
void Convolution::prepare(const char* name, Direction& direction, const Ask& ask,
                          const Measure& measure, const Run& run) {
  if (const auto known = context_.device->known_algorithm(key(name))) {
    return use(direction, *known);
  }
  std::array<Performance, kMostAlgorithms> results{};
  int count = 0;
  check(ask(kMostAlgorithms, &count, results.data()), "cudnnGetConvolutionAlgorithm");
  if (!context_.deterministic) {
    size_t memory = 1;
    for (int i = 0; i < count; ++i) {
      const size_t wanted = results[static_cast<size_t>(i)].memory;
      if (wanted <= kMostMemory) memory = std::max(memory, wanted);
    }
    const DeviceArray<char> space = space_up_to(*context_.device, memory);
    check(measure(kMostAlgorithms, &count, results.data(), space.data(), space.size()),
          "cudnnFindConvolutionAlgorithm");
    SLUICE_CHECKED(cudaStreamSynchronize(context_.compute.get()));
  }
  // float32 keeps its arithmetic whatever is listed.
  const cudnnMathType_t math = context_.math_type(shape_.type);
  std::string refusal;
  for (int i = 0; i < count; ++i) {
    const Performance& result = results[static_cast<size_t>(i)];
    if (result.status != CUDNN_STATUS_SUCCESS || result.memory > kMostMemory) continue;
    if (context_.deterministic && result.determinism != CUDNN_DETERMINISTIC) continue;
    const ConvolutionAlgorithm algorithm{
        result.algo, math == CUDNN_FMA_MATH ? math : result.mathType, result.memory};
    try {
      use(direction, algorithm);
    } catch (const CudaError& error) {  // for want of memory: the next one may take less
      refusal = std::string("; ") + error.what();
      continue;
    }
    if (!worked(context_, run())) continue;
    context_.device->remember_algorithm(key(name), algorithm);
    return;
  }
  throw CudaError(std::string("cuDNN has no ") + (context_.deterministic ? "deterministic " : "") +
                  "algorithm for a convolution's " + name + refusal);
}

void Convolution::prepare_forward(const void* x, const void* w, void* y) {
  using Performance = cudnnConvolutionFwdAlgoPerf_t;
  cudnnHandle_t cudnn = context_.cudnn.get();
  cudnnConvolutionDescriptor_t descriptor = forward_.descriptor.get();
  prepare<Performance>(
      "forward pass", forward_,
      [&](int most, int* count, Performance* results) {
        return cudnnGetConvolutionForwardAlgorithm_v7(cudnn, x_.get(), w_.get(), descriptor,
                                                      y_.get(), most, count, results);
      },
      [&](int most, int* count, Performance* results, void* space, size_t size) {
        return cudnnFindConvolutionForwardAlgorithmEx(cudnn, x_.get(), x, w_.get(), w, descriptor,
                                                      y_.get(), y, most, count, results, space,
                                                      size);
      },
      [&] { return run_forward(x, w, y); });
}

void Convolution::prepare_kernel_gradient(const void* x, const void* dy, void* dw) {
  using Performance = cudnnConvolutionBwdFilterAlgoPerf_t;
  cudnnHandle_t cudnn = context_.cudnn.get();
  cudnnConvolutionDescriptor_t descriptor = kernel_gradient_.descriptor.get();
  prepare<Performance>(
      "kernel gradient", kernel_gradient_,
      [&](int most, int* count, Performance* results) {
        return cudnnGetConvolutionBackwardFilterAlgorithm_v7(cudnn, x_.get(), y_.get(), descriptor,
                                                             w_.get(), most, count, results);
      },
      [&](int most, int* count, Performance* results, void* space, size_t size) {
        return cudnnFindConvolutionBackwardFilterAlgorithmEx(cudnn, x_.get(), x, y_.get(), dy,
                                                             descriptor, w_.get(), dw, most, count,
                                                             results, space, size);
      },
      [&] { return run_kernel_gradient(x, dy, dw); });
}

void Convolution::prepare_input_gradient(const void* w, const void* dy, void* dx) {
  using Performance = cudnnConvolutionBwdDataAlgoPerf_t;
  cudnnHandle_t cudnn = context_.cudnn.get();
  cudnnConvolutionDescriptor_t descriptor = input_gradient_.descriptor.get();
  prepare<Performance>(
      "input gradient", input_gradient_,
      [&](int most, int* count, Performance* results) {
        return cudnnGetConvolutionBackwardDataAlgorithm_v7(cudnn, w_.get(), y_.get(), descriptor,
                                                           x_.get(), most, count, results);
      },
      [&](int most, int* count, Performance* results, void* space, size_t size) {
        return cudnnFindConvolutionBackwardDataAlgorithmEx(cudnn, w_.get(), w, y_.get(), dy,
                                                           descriptor, x_.get(), dx, most, count,
                                                           results, space, size);
      },
      [&] { return run_input_gradient(w, dy, dx); });
}

bool Convolution::can_fuse(Activation activation, const void* x, const void* w, const void* bias,
                           void* y) const {
  return worked(context_, run_fused(activation, x, w, bias, y));
}

cudnnStatus_t Convolution::run_forward(const void* x, const void* w, void* y) const {
  return cudnnConvolutionForward(
      context_.cudnn.get(), &kOne, x_.get(), x, w_.get(), w, forward_.descriptor.get(),
      static_cast<cudnnConvolutionFwdAlgo_t>(forward_.chosen.algorithm), context_.workspace->data(),
      context_.workspace->size(), &kZero, y_.get(), y);
}

cudnnStatus_t Convolution::run_fused(Activation activation, const void* x, const void* w,
                                     const void* bias, void* y) const {
  const bool relu = activation == Activation::kRelu;
  // The only algorithm that cuDNN fuses a bias alone into.
  const auto algorithm = relu ? static_cast<cudnnConvolutionFwdAlgo_t>(forward_.chosen.algorithm)
                              : CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM;
  return cudnnConvolutionBiasActivationForward(
      context_.cudnn.get(), &kOne, x_.get(), x, w_.get(), w, forward_.descriptor.get(), algorithm,
      context_.workspace->data(), context_.workspace->size(), &kZero, y_.get(), y, bias_.get(),
      bias, relu ? relu_.get() : linear_.get(), y_.get(), y);
}

cudnnStatus_t Convolution::run_kernel_gradient(const void* x, const void* dy, void* dw) const {
  return cudnnConvolutionBackwardFilter(
      context_.cudnn.get(), &kOne, x_.get(), x, y_.get(), dy, kernel_gradient_.descriptor.get(),
      static_cast<cudnnConvolutionBwdFilterAlgo_t>(kernel_gradient_.chosen.algorithm),
      context_.workspace->data(), context_.workspace->size(), &kZero, w_.get(), dw);
}

cudnnStatus_t Convolution::run_input_gradient(const void* w, const void* dy, void* dx) const {
  return cudnnConvolutionBackwardData(
      context_.cudnn.get(), &kOne, w_.get(), w, y_.get(), dy, input_gradient_.descriptor.get(),
      static_cast<cudnnConvolutionBwdDataAlgo_t>(input_gradient_.chosen.algorithm),
      context_.workspace->data(), context_.workspace->size(), &kZero, x_.get(), dx);
}

void Convolution::forward(const void* x, const void* w, void* y) const {
  check(run_forward(x, w, y), "cudnnConvolutionForward");
}

void Convolution::fused_forward(Activation activation, const void* x, const void* w,
                                const void* bias, void* y) const {
  check(run_fused(activation, x, w, bias, y), "cudnnConvolutionBiasActivationForward");
}

void Convolution::kernel_gradient(const void* x, const void* dy, void* dw) const {
  check(run_kernel_gradient(x, dy, dw), "cudnnConvolutionBackwardFilter");
}

void Convolution::input_gradient(const void* w, const void* dy, void* dx) const {
  check(run_input_gradient(w, dy, dx), "cudnnConvolutionBackwardData");
}

}  // namespace sluice::backend::cuda
