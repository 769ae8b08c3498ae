#include "cudnn/problem.h"

namespace sluice::emulator::cudnn {
namespace {

int output_extent(int input, int pad, int filter, int dilation, int stride) {
  return (input + 2 * pad - ((filter - 1) * dilation + 1)) / stride + 1;
}

cudnnStatus_t check_set(const Problem& p) {
  const bool set = p.x.n > 0 && p.w.k > 0 && p.y.n > 0;
  return set ? CUDNN_STATUS_SUCCESS : bad_param("a descriptor was created but never set");
}

cudnnStatus_t check_types(const Problem& p) {
  if (p.x.type != p.w.type || p.x.type != p.y.type) {
    return bad_param("x, w and y are not of one data type");
  }
  if (!supported(p.x.type) || p.conv.compute_type != CUDNN_DATA_FLOAT) {
    return not_supported("data types other than float and bfloat16, or sums not in float");
  }
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t check_shapes(const Problem& p) {
  if (p.w.c * p.conv.groups != p.x.c || p.w.k % p.conv.groups != 0) {
    return bad_param("the filter's channels do not fit x and the group count");
  }
  const OutputSize out = output_size(p.x, p.w, p.conv);
  if (out.p <= 0 || out.q <= 0) return bad_param("the filter is larger than the padded image");
  if (p.y.n != out.n || p.y.c != out.k || p.y.h != out.p || p.y.w != out.q) {
    return bad_param("y has not the dimensions of this convolution's output");
  }
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t check_layouts(const Problem& p) {
  const bool channels_last = (p.x.c == 1 || p.x.c_stride == 1) && (p.y.c == 1 || p.y.c_stride == 1);
  if (p.w.format == CUDNN_TENSOR_NHWC && !channels_last) {
    return not_supported("a filter in NHWC with tensors that are not");
  }
  return CUDNN_STATUS_SUCCESS;
}

}  // namespace

OutputSize output_size(const Tensor& x, const Filter& w, const Convolution& conv) {
  return {x.n, w.k, output_extent(x.h, conv.pad_h, w.r, conv.dilation_h, conv.stride_h),
          output_extent(x.w, conv.pad_w, w.s, conv.dilation_w, conv.stride_w)};
}

Geometry Problem::geometry() const {
  return {x.n,
          x.h,
          x.w,
          x.c,
          w.k,
          w.r,
          w.s,
          y.h,
          y.w,
          conv.pad_h,
          conv.pad_w,
          conv.stride_h,
          conv.stride_w,
          conv.dilation_h,
          conv.dilation_w,
          conv.groups};
}

// All math types but FMA use tensor cores, and so TF32, on devices that have it.
Precision Problem::precision() const {
  const bool exact = conv.math == CUDNN_FMA_MATH || x.type != CUDNN_DATA_FLOAT;
  return exact ? Precision::kExact : Precision::kTf32;
}

cudnnStatus_t find_problem(cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w,
                           cudnnConvolutionDescriptor_t conv, cudnnTensorDescriptor_t y,
                           Problem* problem) {
  const std::shared_ptr<Tensor> x_found = tables().tensors.find(x);
  const std::shared_ptr<Filter> w_found = tables().filters.find(w);
  const std::shared_ptr<Convolution> conv_found = tables().convolutions.find(conv);
  const std::shared_ptr<Tensor> y_found = tables().tensors.find(y);
  if (!x_found || !w_found || !conv_found || !y_found) return bad_param("not a descriptor");
  *problem = {*x_found, *w_found, *conv_found, *y_found};
  if (problem->conv.mode != CUDNN_CROSS_CORRELATION) return not_supported("a flipped filter");
  if (const cudnnStatus_t status = check_set(*problem)) return status;
  if (const cudnnStatus_t status = check_types(*problem)) return status;
  if (const cudnnStatus_t status = check_shapes(*problem)) return status;
  return check_layouts(*problem);
}

size_t workspace_size(const Problem& problem, int algo) {
  return 1024 * (size_t{1} + algo) + size_t{16} * problem.x.n;
}

const std::vector<Algorithm<cudnnConvolutionFwdAlgo_t>>& forward_algorithms() {
  static const std::vector<Algorithm<cudnnConvolutionFwdAlgo_t>> all = {
      {CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM, CUDNN_DETERMINISTIC},
      {CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM, CUDNN_DETERMINISTIC}};
  return all;
}

const std::vector<Algorithm<cudnnConvolutionBwdDataAlgo_t>>& data_algorithms() {
  static const std::vector<Algorithm<cudnnConvolutionBwdDataAlgo_t>> all = {
      {CUDNN_CONVOLUTION_BWD_DATA_ALGO_0, CUDNN_NON_DETERMINISTIC},
      {CUDNN_CONVOLUTION_BWD_DATA_ALGO_1, CUDNN_DETERMINISTIC}};
  return all;
}

const std::vector<Algorithm<cudnnConvolutionBwdFilterAlgo_t>>& filter_algorithms() {
  static const std::vector<Algorithm<cudnnConvolutionBwdFilterAlgo_t>> all = {
      {CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0, CUDNN_NON_DETERMINISTIC},
      {CUDNN_CONVOLUTION_BWD_FILTER_ALGO_3, CUDNN_NON_DETERMINISTIC},
      {CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1, CUDNN_DETERMINISTIC}};
  return all;
}

}  // namespace sluice::emulator::cudnn
