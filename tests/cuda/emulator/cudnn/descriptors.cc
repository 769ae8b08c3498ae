// Creating, setting and destroying descriptors.
#include "cudnn/descriptors.h"

namespace sluice::emulator::cudnn {

// Never destroyed, as state().
Tables& tables() {
  static Tables* const all = new Tables;
  return *all;
}

namespace {

template <typename Body>
cudnnStatus_t guarded(const char* function, const Body& body) {
  return library_call<cudnnStatus_t>(function, body);
}

template <typename Table, typename Handle>
cudnnStatus_t create_in(const char* function, Table& table, Handle* handle) {
  return guarded(function, [&] {
    return create(table, handle) ? CUDNN_STATUS_SUCCESS : bad_param("no place for the descriptor");
  });
}

template <typename Table, typename Handle>
cudnnStatus_t destroy_in(const char* function, Table& table, Handle handle) {
  return guarded(function, [&] {
    if (handle == nullptr || destroy(table, handle)) return CUDNN_STATUS_SUCCESS;
    return bad_param("not a descriptor");
  });
}

// Sets what `handle` stands for to `value`.
template <typename Table, typename Handle, typename Thing>
cudnnStatus_t set(const Table& table, Handle handle, const Thing& value) {
  const std::shared_ptr<Thing> found = table.find(handle);
  if (found == nullptr) return bad_param("not a descriptor");
  *found = value;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t check_positive(int a, int b, int c, int d) {
  return a > 0 && b > 0 && c > 0 && d > 0 ? CUDNN_STATUS_SUCCESS
                                          : bad_param("a dimension or stride is not positive");
}

Tensor packed(cudnnTensorFormat_t format, cudnnDataType_t type, int n, int c, int h, int w) {
  Tensor t{type, n, c, h, w, 0, 0, 0, 0};
  t.n_stride = size_t{1} * c * h * w;
  if (format == CUDNN_TENSOR_NHWC) {
    t.h_stride = size_t{1} * w * c;
    t.w_stride = static_cast<size_t>(c);
    t.c_stride = 1;
  } else {
    t.c_stride = size_t{1} * h * w;
    t.h_stride = static_cast<size_t>(w);
    t.w_stride = 1;
  }
  return t;
}

}  // namespace
}  // namespace sluice::emulator::cudnn

using namespace sluice::emulator;
using namespace sluice::emulator::cudnn;

cudnnStatus_t cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t* handle) {
  return create_in(__func__, tables().tensors, handle);
}
cudnnStatus_t cudnnDestroyTensorDescriptor(cudnnTensorDescriptor_t handle) {
  return destroy_in(__func__, tables().tensors, handle);
}
cudnnStatus_t cudnnCreateFilterDescriptor(cudnnFilterDescriptor_t* handle) {
  return create_in(__func__, tables().filters, handle);
}
cudnnStatus_t cudnnDestroyFilterDescriptor(cudnnFilterDescriptor_t handle) {
  return destroy_in(__func__, tables().filters, handle);
}
cudnnStatus_t cudnnCreateConvolutionDescriptor(cudnnConvolutionDescriptor_t* handle) {
  return create_in(__func__, tables().convolutions, handle);
}
cudnnStatus_t cudnnDestroyConvolutionDescriptor(cudnnConvolutionDescriptor_t handle) {
  return destroy_in(__func__, tables().convolutions, handle);
}
cudnnStatus_t cudnnCreateActivationDescriptor(cudnnActivationDescriptor_t* handle) {
  return create_in(__func__, tables().activations, handle);
}
cudnnStatus_t cudnnDestroyActivationDescriptor(cudnnActivationDescriptor_t handle) {
  return destroy_in(__func__, tables().activations, handle);
}

cudnnStatus_t cudnnSetTensor4dDescriptor(cudnnTensorDescriptor_t handle, cudnnTensorFormat_t format,
                                         cudnnDataType_t type, int n, int c, int h, int w) {
  return guarded(__func__, [&] {
    if (const cudnnStatus_t status = check_positive(n, c, h, w)) return status;
    if (format != CUDNN_TENSOR_NCHW && format != CUDNN_TENSOR_NHWC) {
      return not_supported("tensor format");
    }
    return set(tables().tensors, handle, packed(format, type, n, c, h, w));
  });
}

cudnnStatus_t cudnnSetTensor4dDescriptorEx(cudnnTensorDescriptor_t handle, cudnnDataType_t type,
                                           int n, int c, int h, int w, int n_stride, int c_stride,
                                           int h_stride, int w_stride) {
  return guarded(__func__, [&] {
    if (const cudnnStatus_t status = check_positive(n, c, h, w)) return status;
    if (n_stride < 0 || c_stride < 0 || h_stride < 0 || w_stride < 0) {
      return bad_param("a negative stride");
    }
    const Tensor tensor{type,
                        n,
                        c,
                        h,
                        w,
                        static_cast<size_t>(n_stride),
                        static_cast<size_t>(c_stride),
                        static_cast<size_t>(h_stride),
                        static_cast<size_t>(w_stride)};
    return set(tables().tensors, handle, tensor);
  });
}

cudnnStatus_t cudnnSetFilter4dDescriptor(cudnnFilterDescriptor_t handle, cudnnDataType_t type,
                                         cudnnTensorFormat_t format, int k, int c, int h, int w) {
  return guarded(__func__, [&] {
    if (const cudnnStatus_t status = check_positive(k, c, h, w)) return status;
    if (format != CUDNN_TENSOR_NCHW && format != CUDNN_TENSOR_NHWC) {
      return not_supported("filter format");
    }
    return set(tables().filters, handle, Filter{type, format, k, c, h, w});
  });
}

cudnnStatus_t cudnnSetConvolution2dDescriptor(cudnnConvolutionDescriptor_t handle, int pad_h,
                                              int pad_w, int stride_h, int stride_w, int dilation_h,
                                              int dilation_w, cudnnConvolutionMode_t mode,
                                              cudnnDataType_t compute_type) {
  return guarded(__func__, [&] {
    if (pad_h < 0 || pad_w < 0) return bad_param("negative padding");
    const cudnnStatus_t status = check_positive(stride_h, stride_w, dilation_h, dilation_w);
    if (status != CUDNN_STATUS_SUCCESS) return status;
    const std::shared_ptr<Convolution> conv = tables().convolutions.find(handle);
    if (conv == nullptr) return bad_param("not a convolution descriptor");
    // Math type and group count keep what they are set to.
    *conv = {pad_h,      pad_w, stride_h,     stride_w,   dilation_h,
             dilation_w, mode,  compute_type, conv->math, conv->groups};
    return CUDNN_STATUS_SUCCESS;
  });
}

cudnnStatus_t cudnnSetConvolutionMathType(cudnnConvolutionDescriptor_t handle,
                                          cudnnMathType_t math) {
  return guarded(__func__, [&] {
    const std::shared_ptr<Convolution> conv = tables().convolutions.find(handle);
    if (conv == nullptr) return bad_param("not a convolution descriptor");
    conv->math = math;
    return CUDNN_STATUS_SUCCESS;
  });
}

cudnnStatus_t cudnnGetConvolutionMathType(cudnnConvolutionDescriptor_t handle,
                                          cudnnMathType_t* math) {
  return guarded(__func__, [&] {
    const std::shared_ptr<Convolution> conv = tables().convolutions.find(handle);
    if (conv == nullptr || math == nullptr) return bad_param("not a convolution descriptor");
    *math = conv->math;
    return CUDNN_STATUS_SUCCESS;
  });
}

cudnnStatus_t cudnnSetConvolutionGroupCount(cudnnConvolutionDescriptor_t handle, int groups) {
  return guarded(__func__, [&] {
    const std::shared_ptr<Convolution> conv = tables().convolutions.find(handle);
    if (conv == nullptr || groups < 1) return bad_param("not a group count of a convolution");
    conv->groups = groups;
    return CUDNN_STATUS_SUCCESS;
  });
}

cudnnStatus_t cudnnSetActivationDescriptor(cudnnActivationDescriptor_t handle,
                                           cudnnActivationMode_t mode, cudnnNanPropagation_t,
                                           double coefficient) {
  return guarded(__func__, [&] {
    return set(tables().activations, handle, Activation{mode, coefficient});
  });
}
