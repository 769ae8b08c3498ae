#include "backend/cuda/convolution.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <vector>

#include "backend/cuda/timing.h"

namespace sluice::backend::cuda {
namespace {

constexpr float kOne = 1, kZero = 0;
constexpr int kMostAlgorithms = 16;

TensorDescriptor tensor(Type type, int64_t n, int64_t h, int64_t w, int64_t c) {
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
      static_cast<int>(s.channels / s.groups), static_cast<int>(s.kernel_h),
      static_cast<int>(s.kernel_w)));
  return descriptor;
}

ConvolutionDescriptor convolution(const ConvolutionShape& s) {
  auto descriptor = made<ConvolutionDescriptor>(cudnnCreateConvolutionDescriptor);
  SLUICE_CHECKED(cudnnSetConvolution2dDescriptor(
      descriptor.get(), static_cast<int>(s.padding_h), static_cast<int>(s.padding_w),
      static_cast<int>(s.stride_h), static_cast<int>(s.stride_w), static_cast<int>(s.dilation_h),
      static_cast<int>(s.dilation_w), CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT));
  SLUICE_CHECKED(cudnnSetConvolutionGroupCount(descriptor.get(), static_cast<int>(s.groups)));
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
bool worked(const Lane& lane, cudnnStatus_t status) {
  const cudaError_t ran = cudaStreamSynchronize(lane.stream.get());
  (void)cudaGetLastError();
  return status == CUDNN_STATUS_SUCCESS && ran == cudaSuccess;
}

void required(const std::optional<std::string>& problem) {
  if (problem) throw CudaError(*problem);
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
  forward_.lane = input_gradient_.lane = &context.main;
  kernel_gradient_.lane = &context.side;
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
        s.stride_w, s.dilation_h, s.dilation_w, s.padding_h, s.padding_w, s.groups, s.out_height,
        s.out_width, static_cast<int64_t>(s.type), static_cast<int64_t>(context_.math_type(s.type)),
        int64_t{context_.deterministic}}) {
    key += ' ' + std::to_string(number);
  }
  return key;
}

void Convolution::choose(Direction& direction, const ConvolutionAlgorithm& algorithm) const {
  direction.chosen = algorithm;
  SLUICE_CHECKED(cudnnSetConvolutionMathType(direction.descriptor.get(),
                                             static_cast<cudnnMathType_t>(algorithm.math)));
}

Convolution::Space Convolution::space_of(const Direction& direction) {
  return {direction.lane->workspace->data(), direction.lane->workspace->size()};
}

// Candidates that may be used, the fastest first: as cuDNN lists them, by its own estimate, which
// is the same in every run and so what deterministic replicas go by; or as measured here. cuDNN's
// own measurement (cudnnFindConvolution...) is of one run each, in which code may still be loaded:
// it was seen to choose so badly that a training step took four times as long.
template <typename Performance>
std::vector<ConvolutionAlgorithm> Convolution::candidates(
    std::span<const Performance> listed) const {
  // float32 keeps its arithmetic whatever is listed.
  const cudnnMathType_t math = context_.math_type(shape_.type);
  std::vector<ConvolutionAlgorithm> algorithms;
  for (const Performance& result : listed) {
    if (result.status != CUDNN_STATUS_SUCCESS || result.memory > kMostMemory) continue;
    if (context_.deterministic && result.determinism != CUDNN_DETERMINISTIC) continue;
    const ConvolutionAlgorithm algorithm{
        result.algo, math == CUDNN_FMA_MATH ? math : result.mathType, result.memory};
    if (std::find(algorithms.begin(), algorithms.end(), algorithm) == algorithms.end()) {
      algorithms.push_back(algorithm);
    }
  }
  return algorithms;
}

template <typename Run>
void Convolution::sort_by_time(Direction& direction, const Run& run,
                               std::vector<ConvolutionAlgorithm>* algorithms) const {
  size_t memory = 1;
  for (const ConvolutionAlgorithm& algorithm : *algorithms) {
    memory = std::max(memory, algorithm.memory);
  }
  const DeviceArray<char> space = space_up_to(*context_.device, memory);
  std::vector<ConvolutionAlgorithm> tried;
  std::vector<Trial> trials;
  for (const ConvolutionAlgorithm& algorithm : *algorithms) {
    if (algorithm.memory > space.size()) continue;
    choose(direction, algorithm);
    const auto run_once = [&] { check(run(Space{space.data(), space.size()}), "cuDNN"); };
    try {
      trials.emplace_back(direction.lane->stream.get(), kTrialCalls, run_once);
      tried.push_back(algorithm);
    } catch (const CudaError&) {  // listed, but it does not work
      (void)worked(*direction.lane, CUDNN_STATUS_SUCCESS);
    }
  }
  if (tried.empty()) return;
  const std::vector<double> seconds = fewest_seconds(trials, kTrialRounds);
  std::vector<size_t> order(tried.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return seconds[a] < seconds[b]; });
  algorithms->clear();
  for (const size_t i : order) algorithms->push_back(tried[i]);
}

// The first one counts whose memory there is and that works when it is tried. Where there is none,
// returns why.
template <typename Performance, typename Ask, typename Run>
std::optional<std::string> Convolution::prepare(const char* name, Direction& direction,
                                                const Ask& ask, const Run& run) {
  if (const auto known = context_.device->known_algorithm(key(name))) {
    choose(direction, *known);
    direction.lane->workspace->reserve(known->memory);
    return std::nullopt;
  }
  std::array<Performance, kMostAlgorithms> listed{};
  int count = 0;
  check(ask(kMostAlgorithms, &count, listed.data()), "cudnnGetConvolutionAlgorithm");
  std::vector<ConvolutionAlgorithm> algorithms =
      candidates(std::span<const Performance>(listed.data(), static_cast<size_t>(count)));
  if (!context_.deterministic) sort_by_time(direction, run, &algorithms);
  std::string refusal;
  for (const ConvolutionAlgorithm& algorithm : algorithms) {
    try {
      choose(direction, algorithm);
      direction.lane->workspace->reserve(algorithm.memory);
    } catch (const CudaError& error) {  // for want of memory: the next one may take less
      refusal = std::string("; ") + error.what();
      continue;
    }
    if (!worked(*direction.lane, run(space_of(direction)))) continue;
    context_.device->remember_algorithm(key(name), algorithm);
    return std::nullopt;
  }
  return fmt::format("cuDNN has no {}algorithm for a convolution's {}{}",
                     context_.deterministic ? "deterministic " : "", name, refusal);
}

auto Convolution::ask_forward() const {
  return [this](int most, int* count, cudnnConvolutionFwdAlgoPerf_t* results) {
    return cudnnGetConvolutionForwardAlgorithm_v7(context_.main.cudnn.get(), x_.get(), w_.get(),
                                                  forward_.descriptor.get(), y_.get(), most, count,
                                                  results);
  };
}

void Convolution::prepare_forward(const void* x, const void* w, void* y) {
  required(prepare<cudnnConvolutionFwdAlgoPerf_t>(
      "forward pass", forward_, ask_forward(),
      [&](Space space) { return run_forward(space, x, w, y); }));
}

bool Convolution::prepare_fused_forward(const Activation& activation, const void* x, const void* w,
                                        const void* bias, void* y) {
  const char* name =
      activation == Activation::kRelu ? "forward pass with ReLU" : "forward pass with a bias";
  const auto problem =
      prepare<cudnnConvolutionFwdAlgoPerf_t>(name, forward_, ask_forward(), [&](Space space) {
        // The only algorithm that cuDNN fuses a bias alone into.
        if (activation == Activation::kLinear &&
            forward_.chosen.algorithm != CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM) {
          return CUDNN_STATUS_NOT_SUPPORTED;
        }
        return run_fused(space, activation, x, w, bias, y);
      });
  return !problem;
}

void Convolution::prepare_kernel_gradient(const void* x, const void* dy, void* dw) {
  using Performance = cudnnConvolutionBwdFilterAlgoPerf_t;
  cudnnHandle_t cudnn = context_.side.cudnn.get();
  cudnnConvolutionDescriptor_t descriptor = kernel_gradient_.descriptor.get();
  required(prepare<Performance>(
      "kernel gradient", kernel_gradient_,
      [&](int most, int* count, Performance* results) {
        return cudnnGetConvolutionBackwardFilterAlgorithm_v7(cudnn, x_.get(), y_.get(), descriptor,
                                                             w_.get(), most, count, results);
      },
      [&](Space space) { return run_kernel_gradient(space, x, dy, dw); }));
}

void Convolution::prepare_input_gradient(const void* w, const void* dy, void* dx) {
  using Performance = cudnnConvolutionBwdDataAlgoPerf_t;
  cudnnHandle_t cudnn = context_.main.cudnn.get();
  cudnnConvolutionDescriptor_t descriptor = input_gradient_.descriptor.get();
  required(prepare<Performance>(
      "input gradient", input_gradient_,
      [&](int most, int* count, Performance* results) {
        return cudnnGetConvolutionBackwardDataAlgorithm_v7(cudnn, w_.get(), y_.get(), descriptor,
                                                           x_.get(), most, count, results);
      },
      [&](Space space) { return run_input_gradient(space, w, dy, dx); }));
}

cudnnStatus_t Convolution::run_forward(Space space, const void* x, const void* w, void* y) const {
  return cudnnConvolutionForward(context_.main.cudnn.get(), &kOne, x_.get(), x, w_.get(), w,
                                 forward_.descriptor.get(),
                                 static_cast<cudnnConvolutionFwdAlgo_t>(forward_.chosen.algorithm),
                                 space.data, space.bytes, &kZero, y_.get(), y);
}

cudnnStatus_t Convolution::run_fused(Space space, const Activation& activation, const void* x,
                                     const void* w, const void* bias, void* y) const {
  const bool relu = activation == Activation::kRelu;
  return cudnnConvolutionBiasActivationForward(
      context_.main.cudnn.get(), &kOne, x_.get(), x, w_.get(), w, forward_.descriptor.get(),
      static_cast<cudnnConvolutionFwdAlgo_t>(forward_.chosen.algorithm), space.data, space.bytes,
      &kZero, y_.get(), y, bias_.get(), bias, relu ? relu_.get() : linear_.get(), y_.get(), y);
}

cudnnStatus_t Convolution::run_kernel_gradient(Space space, const void* x, const void* dy,
                                               void* dw) const {
  return cudnnConvolutionBackwardFilter(
      context_.side.cudnn.get(), &kOne, x_.get(), x, y_.get(), dy,
      kernel_gradient_.descriptor.get(),
      static_cast<cudnnConvolutionBwdFilterAlgo_t>(kernel_gradient_.chosen.algorithm), space.data,
      space.bytes, &kZero, w_.get(), dw);
}

cudnnStatus_t Convolution::run_input_gradient(Space space, const void* w, const void* dy,
                                              void* dx) const {
  return cudnnConvolutionBackwardData(
      context_.main.cudnn.get(), &kOne, w_.get(), w, y_.get(), dy, input_gradient_.descriptor.get(),
      static_cast<cudnnConvolutionBwdDataAlgo_t>(input_gradient_.chosen.algorithm), space.data,
      space.bytes, &kZero, x_.get(), dx);
}

void Convolution::forward(const void* x, const void* w, void* y) const {
  check(run_forward(space_of(forward_), x, w, y), "cudnnConvolutionForward");
}

void Convolution::fused_forward(const Activation& activation, const void* x, const void* w,
                                const void* bias, void* y) const {
  check(run_fused(space_of(forward_), activation, x, w, bias, y),
        "cudnnConvolutionBiasActivationForward");
}

void Convolution::kernel_gradient(const void* x, const void* dy, void* dw) const {
  check(run_kernel_gradient(space_of(kernel_gradient_), x, dy, dw),
        "cudnnConvolutionBackwardFilter");
}

void Convolution::input_gradient(const void* w, const void* dy, void* dx) const {
  check(run_input_gradient(space_of(input_gradient_), w, dy, dx), "cudnnConvolutionBackwardData");
}

}  // namespace sluice::backend::cuda
