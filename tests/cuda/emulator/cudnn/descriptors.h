// What cuDNN's handles and descriptors stand for.
#pragma once

#include <cudnn.h>

#include "library/call.h"
#include "library/numbers.h"

namespace sluice::emulator::cudnn {

struct Context {
  cudaStream_t stream = nullptr;
};

struct Tensor {
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
  int n = 0, c = 0, h = 0, w = 0;
  size_t n_stride = 0, c_stride = 0, h_stride = 0, w_stride = 0;

  size_t at(int in, int ih, int iw, int ic) const {
    return in * n_stride + ih * h_stride + iw * w_stride + ic * c_stride;
  }
  size_t elements() const { return size_t{1} * n * c * h * w; }
  // From the first element to behind the last.
  size_t extent() const { return at(n - 1, h - 1, w - 1, c - 1) + 1; }
};

// K filters of C channels, rows R by columns S.
struct Filter {
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
  cudnnTensorFormat_t format = CUDNN_TENSOR_NCHW;
  int k = 0, c = 0, r = 0, s = 0;

  size_t elements() const { return size_t{1} * k * c * r * s; }
  // KRSC in the format NHWC, KCRS in NCHW.
  size_t at(int ik, int ir, int is, int ic) const {
    return format == CUDNN_TENSOR_NHWC ? ((size_t{1} * ik * r + ir) * s + is) * c + ic
                                       : ((size_t{1} * ik * c + ic) * r + ir) * s + is;
  }
};

struct Convolution {
  int pad_h = 0, pad_w = 0, stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  cudnnConvolutionMode_t mode = CUDNN_CONVOLUTION;
  cudnnDataType_t compute_type = CUDNN_DATA_FLOAT;
  cudnnMathType_t math = CUDNN_DEFAULT_MATH;
  int groups = 1;
};

struct Activation {
  cudnnActivationMode_t mode = CUDNN_ACTIVATION_IDENTITY;
  double coefficient = 0.0;
};

struct Tables {
  HandleTable<cudnnHandle_t, Context> contexts;
  HandleTable<cudnnTensorDescriptor_t, Tensor> tensors;
  HandleTable<cudnnFilterDescriptor_t, Filter> filters;
  HandleTable<cudnnConvolutionDescriptor_t, Convolution> convolutions;
  HandleTable<cudnnActivationDescriptor_t, Activation> activations;
};
Tables& tables();

// Notes the reason for cudnnGetLastErrorString().
cudnnStatus_t refuse(cudnnStatus_t status, const char* reason);
inline cudnnStatus_t bad_param(const char* reason) {
  return refuse(CUDNN_STATUS_BAD_PARAM, reason);
}
inline cudnnStatus_t not_supported(const char* reason) {
  return refuse(CUDNN_STATUS_NOT_SUPPORTED, reason);
}

inline Number number_of(cudnnDataType_t type) {
  return type == CUDNN_DATA_BFLOAT16 ? Number::kBfloat16 : Number::kFloat;
}
inline bool supported(cudnnDataType_t type) {
  return type == CUDNN_DATA_FLOAT || type == CUDNN_DATA_BFLOAT16;
}

template <typename Thing>
bool on_device(const void* data, const Thing& thing);
template <>
inline bool on_device(const void* data, const Tensor& t) {
  return state().memory.on_device(data, t.extent() * size_of(number_of(t.type)));
}
template <>
inline bool on_device(const void* data, const Filter& f) {
  return state().memory.on_device(data, f.elements() * size_of(number_of(f.type)));
}

}  // namespace sluice::emulator::cudnn
