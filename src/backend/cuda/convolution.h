// One convolution of cuDNN's in its three directions, algorithms chosen once and cached.
//
// Images [N, H, W, C] and kernels [filters, kernel_h, kernel_w, C], both contiguous; padding is the
// same on opposite sides.
#pragma once

#include <string>

#include "backend/cuda/context.h"

namespace sluice::backend::cuda {

struct ConvolutionShape {
  int64_t batch, height, width, channels;  // of x
  int64_t kernel_h, kernel_w, filters;
  int64_t stride_h, stride_w, padding_h, padding_w;
  int64_t out_height, out_width;
  DataType type;  // of everything
};

class Convolution {
 public:
  Convolution(const Context& context, const ConvolutionShape& shape);

  // Choose the algorithms; they run on the buffers that are given, and write to the last one.
  void prepare_forward(const void* x, const void* w, void* y);
  void prepare_kernel_gradient(const void* x, const void* dy, void* dw);
  void prepare_input_gradient(const void* w, const void* dy, void* dx);
  // Whether fused_forward() works; behind prepare_forward().
  bool can_fuse(Activation activation, const void* x, const void* w, const void* bias,
                void* y) const;

  // y = x * w
  void forward(const void* x, const void* w, void* y) const;
  // y = activation(x * w + bias), activation ReLU or linear.
  void fused_forward(Activation activation, const void* x, const void* w, const void* bias,
                     void* y) const;
  void kernel_gradient(const void* x, const void* dy, void* dw) const;
  void input_gradient(const void* w, const void* dy, void* dx) const;

 private:
  // A direction has a descriptor of its own, since the type of its arithmetic is part of the
  // choice.
  struct Direction {
    ConvolutionDescriptor descriptor;
    ConvolutionAlgorithm chosen;
  };

  template <typename Performance, typename Ask, typename Measure, typename Run>
  void prepare(const char* name, Direction& direction, const Ask& ask, const Measure& measure,
               const Run& run);
  void use(Direction& direction, const ConvolutionAlgorithm& algorithm) const;
  std::string key(const char* direction) const;

  cudnnStatus_t run_forward(const void* x, const void* w, void* y) const;
  cudnnStatus_t run_fused(Activation activation, const void* x, const void* w, const void* bias,
                          void* y) const;
  cudnnStatus_t run_kernel_gradient(const void* x, const void* dy, void* dw) const;
  cudnnStatus_t run_input_gradient(const void* w, const void* dy, void* dx) const;

  const Context& context_;
  const ConvolutionShape shape_;
  TensorDescriptor x_, y_, bias_;
  FilterDescriptor w_;
  ActivationDescriptor relu_, linear_;
  Direction forward_, kernel_gradient_, input_gradient_;
};

}  // namespace sluice::backend::cuda
