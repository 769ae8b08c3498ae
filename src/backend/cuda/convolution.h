// One convolution of cuDNN's in its three directions, algorithms chosen once and cached. The kernel
// gradient runs on the context's side lane, so that it can run beside the input gradient.
//
// Images [N, H, W, C] and kernels [filters, kernel_h, kernel_w, C / groups], both contiguous;
// padding is the same on opposite sides.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/cuda/context.h"

namespace sluice::backend::cuda {

struct ConvolutionShape {
  int64_t batch, height, width, channels;  // of x
  int64_t kernel_h, kernel_w, filters;
  int64_t stride_h, stride_w, dilation_h, dilation_w, padding_h, padding_w;
  int64_t groups;
  int64_t out_height, out_width;
  Type type;  // of everything
};

class Convolution {
 public:
  Convolution(const Context& context, const ConvolutionShape& shape);

  // Choose the algorithms; they run on the buffers that are given, and write to the last one.
  void prepare_forward(const void* x, const void* w, void* y);
  void prepare_kernel_gradient(const void* x, const void* dy, void* dw);
  void prepare_input_gradient(const void* w, const void* dy, void* dx);
  // Instead of prepare_forward(), for fused_forward(); false where cuDNN cannot do it.
  bool prepare_fused_forward(const Activation& activation, const void* x, const void* w,
                             const void* bias, void* y);

  // y = x * w
  void forward(const void* x, const void* w, void* y) const;
  // y = activation(x * w + bias), activation ReLU or linear.
  void fused_forward(const Activation& activation, const void* x, const void* w, const void* bias,
                     void* y) const;
  void kernel_gradient(const void* x, const void* dy, void* dw) const;
  void input_gradient(const void* w, const void* dy, void* dx) const;

 private:
  // A direction has a descriptor of its own, since the type of its arithmetic is part of the
  // choice.
  struct Direction {
    ConvolutionDescriptor descriptor;
    ConvolutionAlgorithm chosen;
    const Lane* lane = nullptr;
  };

  // Memory to compute in.
  struct Space {
    void* data;
    size_t bytes;
  };
  static Space space_of(const Direction& direction);

  template <typename Performance, typename Ask, typename Run>
  std::optional<std::string> prepare(const char* name, Direction& direction, const Ask& ask,
                                     const Run& run);
  auto ask_forward() const;
  template <typename Performance>
  std::vector<ConvolutionAlgorithm> candidates(std::span<const Performance> listed) const;
  template <typename Run>
  void sort_by_time(Direction& direction, const Run& run,
                    std::vector<ConvolutionAlgorithm>* algorithms) const;
  void choose(Direction& direction, const ConvolutionAlgorithm& algorithm) const;
  std::string key(const char* direction) const;

  cudnnStatus_t run_forward(Space space, const void* x, const void* w, void* y) const;
  cudnnStatus_t run_fused(Space space, const Activation& activation, const void* x, const void* w,
                          const void* bias, void* y) const;
  cudnnStatus_t run_kernel_gradient(Space space, const void* x, const void* dy, void* dw) const;
  cudnnStatus_t run_input_gradient(Space space, const void* w, const void* dy, void* dx) const;

  const Context& context_;
  const ConvolutionShape shape_;
  TensorDescriptor x_, y_, bias_;
  FilterDescriptor w_;
  ActivationDescriptor relu_, linear_;
  Direction forward_, kernel_gradient_, input_gradient_;
};

}  // namespace sluice::backend::cuda
