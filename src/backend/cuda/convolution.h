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

  // Choose the algorithms; they may run on the buffers that are given, and write to the last one.
  void prepare_forward(const void* x, const void* w, void* y);
  void prepare_kernel_gradient(const void* x, const void* dy, void* dw);
  void prepare_input_gradient(const void* w, const void* dy, void* dx);

  // y = x * w
  void forward(const void* x, const void* w, void* y) const;
  // y = activation(x * w + bias), activation ReLU or linear. False, and nothing done, where cuDNN
  // cannot.
  bool fused_forward(Activation activation, const void* x, const void* w, const void* bias,
                     void* y) const;
  void kernel_gradient(const void* x, const void* dy, void* dw) const;
  void input_gradient(const void* w, const void* dy, void* dx) const;

 private:
  std::string key(const char* direction) const;

  const Context& context_;
  const ConvolutionShape shape_;
  TensorDescriptor x_, y_, bias_;
  FilterDescriptor w_;
  ConvolutionDescriptor convolution_;
  ActivationDescriptor relu_, linear_;
  cudnnConvolutionFwdAlgo_t forward_{};
  cudnnConvolutionBwdFilterAlgo_t kernel_gradient_{};
  cudnnConvolutionBwdDataAlgo_t input_gradient_{};
};

}  // namespace sluice::backend::cuda
