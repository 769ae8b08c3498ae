#include "backend/cpu/convolution.h"

#include <algorithm>

namespace sluice::backend::cpu {
namespace {

// What a convolution computes: images, forward or as a gradient, or the gradient of its kernel.
enum class Result { kImages, kInference, kKernel };

// Whether Winograd's algorithm (Lavin & Gray, 2015; tiles of 4 x 4 outputs) is faster, where oneDNN
// has it: up to 2.5 times. It multiplies less and moves more, so it needs enough channels and
// tiles; the kernel's gradient of few channels needs many tiles for each thread, or takes twice as
// long as by the direct algorithm. Measured over channels 16 to 128, images 8 to 32 wide, batches
// 16 to 128 and one and two threads. Its relative error is 5e-7 where the direct algorithm's
// is 1.5e-7. In inference the kernel is transformed only when it has changed, so that few tiles do:
// from batch 1 on, 32 channels of 26 x 26 take 0.7 of the direct algorithm's time, 64 of 8 x 8 0.6,
// but 16 of 32 x 32 1.0 to 1.7. Of one sample oneDNN leaves it to one thread, where the direct
// algorithm takes all: with two, a prediction of the MNIST CNN then takes 0.89 of the time.
bool winograd_pays(const Conv2DOp& op, Type type, const Shape& image, const Shape& windows,
                   int64_t batch, int threads, Result result) {
  const bool fits = op.extent_h() == 3 && op.extent_w() == 3 && op.kernel_h == 3 &&
                    op.kernel_w == 3 && op.stride_h == 1 && op.stride_w == 1 && op.groups == 1;
  if (!fits || type != Type::kFloat32) return false;
  const int64_t channels = std::min(image[2], windows[2]);
  const int64_t tiles = batch * ((windows[0] + 3) / 4) * ((windows[1] + 3) / 4);
  if (result == Result::kInference) return channels >= 32 && batch >= threads;
  if (channels >= 64) return tiles >= 48;
  if (result == Result::kImages) return channels >= 32 && tiles >= 128;
  return channels >= 16 && channels * tiles >= 16384 * threads;
}

// make(descs) with Winograd's algorithm if it pays and oneDNN has it, otherwise with the direct
// one.
template <typename Make>
auto with_best_algorithm(bool try_winograd, ConvolutionDescs descs, const Make& make) {
  if (try_winograd) {
    try {
      descs.algorithm = dnnl::algorithm::convolution_winograd;
      return make(descs);
    } catch (const dnnl::error&) {  // not for this layout, instruction set or version
      descs.algorithm = dnnl::algorithm::convolution_direct;
    }
  }
  return make(descs);
}

// [h, w, channels / groups, filters] in memory.
struct KerasKernel {
  Dims dims;
  Desc desc;
};
KerasKernel keras_kernel(const Conv2DOp& op, int64_t channels, int64_t filters) {
  const int64_t h = op.kernel_h, w = op.kernel_w, groups = op.groups;
  if (groups == 1) {
    const Dims dims{filters, channels, h, w};
    return {dims, float_desc(dims, Tag::hwio)};
  }
  const int64_t in = channels / groups, out = filters / groups;
  const Dims dims{groups, out, in, h, w};
  const Dims strides{out, 1, filters, w * in * filters, in * filters};
  return {dims, Desc(dims, onednn_type(Type::kFloat32), strides)};
}

}  // namespace

bool gains_from_blocks(const Op& op, Type type, const Shape& x, const Shape& y) {
  constexpr int64_t kBatch = 16;
  const auto* conv = std::get_if<Conv2DOp>(&op.kind);
  return conv != nullptr && !conv->transposed && has_winograd() && x[2] % kChannelBlock == 0 &&
         y[2] % kChannelBlock == 0 && winograd_pays(*conv, type, x, y, kBatch, 1, Result::kImages);
}

Desc image_desc(int64_t batch, const Value& value) {
  return tensor_desc(value.type, Dims{batch, value.shape[2], value.shape[0], value.shape[1]},
                     value.layout == Layout::kBlocked16 ? Tag::nChw16c : Tag::nhwc);
}

Convolution::Convolution(const Build& build, const Conv2DOp& op, const Value& image,
                         const Value& windows, const Behind& behind)
    : device_(build.device),
      op_(op),
      behind_(behind),
      is_inference_(build.purpose == Purpose::kInference && !op.transposed),
      try_winograd_(winograd_pays(op, windows.type, image.shape, windows.shape, build.batch,
                                  build.device.threads,
                                  is_inference_ ? Result::kInference : Result::kImages)),
      try_winograd_for_kernel_(winograd_pays(op, windows.type, image.shape, windows.shape,
                                             build.batch, build.device.threads, Result::kKernel)) {
  const int64_t channels = image.shape[2], filters = windows.shape[2];
  const KerasKernel kernel = keras_kernel(op, channels, filters);
  kernel_dims_ = kernel.dims;
  keras_kernel_ = kernel.desc;
  descs_.x = image_desc(build.batch, image);
  if (windows.layout == Layout::kBlocked16 && image.layout == Layout::kPlain) {
    descs_.x = tensor_desc(image.type, Dims{build.batch, channels, image.shape[0], image.shape[1]},
                           Tag::nchw);
  }
  descs_.weights = tensor_desc(windows.type, kernel_dims_, Tag::any);
  if (behind_.normalization != nullptr) {
    folded_.emplace(build, op, *behind_.normalization, filters);
  }
  if (behind_.bias || folded_) descs_.bias = float_desc(Dims{filters}, Tag::a);
  descs_.y = image_desc(build.batch, windows);
  descs_.strides = {op.stride_h, op.stride_w};
  descs_.dilations = {op.dilation_h - 1, op.dilation_w - 1};
  descs_.padding_begin = {op.padding.top, op.padding.left};
  descs_.padding_end = {op.padding.bottom, op.padding.right};
  if (is_inference_) descs_.kind = dnnl::prop_kind::forward_inference;
  descs_.adds = behind_.adds;
  forward_desc_ = with_best_algorithm(try_winograd_, descs_, [this](const auto& descs) {
    return convolution_forward(device_.engine, descs, behind_.activation);
  });
}

void Convolution::plan_forward(const Build& build, int time, Buffer* image, Buffer* windows) {
  Buffer* bias = nullptr;
  if (folded_) {
    forward_kernel_.emplace(build, folded_->kernel(), keras_kernel_, forward_desc_.weights_desc());
    bias = folded_->bias();
  } else {
    forward_kernel_.emplace(build, op_.kernel, keras_kernel_, forward_desc_.weights_desc());
    if (behind_.bias) bias = build.memory.elsewhere(build.parameters.values_of(*behind_.bias));
  }
  forward_.emplace(dnnl::convolution_forward(forward_desc_), device_.engine,
                   std::vector<Primitive::Argument>{
                       {DNNL_ARG_SRC, descs_.x, image},
                       {DNNL_ARG_WEIGHTS, forward_desc_.weights_desc(), forward_kernel_->buffer()},
                       {DNNL_ARG_BIAS, descs_.bias, bias},
                       {DNNL_ARG_DST, descs_.y, windows},
                       scratchpad(build.memory, forward_desc_.scratchpad_desc(), time)});
}

void Convolution::plan_image_gradient(const Build& build, int time, Buffer* windows_gradient,
                                      Buffer* image_gradient) {
  const auto desc = with_best_algorithm(try_winograd_, descs_, [this](const auto& descs) {
    return convolution_backward_data(device_.engine, descs, forward_desc_);
  });
  image_gradient_kernel_.emplace(build, op_.kernel, keras_kernel_, desc.weights_desc());
  image_gradient_.emplace(
      dnnl::convolution_backward_data(desc), device_.engine,
      std::vector<Primitive::Argument>{
          {DNNL_ARG_DIFF_SRC, descs_.x, image_gradient},
          {DNNL_ARG_WEIGHTS, desc.weights_desc(), image_gradient_kernel_->buffer()},
          {DNNL_ARG_DIFF_DST, descs_.y, windows_gradient},
          scratchpad(build.memory, desc.scratchpad_desc(), time)});
}

void Convolution::plan_kernel_gradient(const Build& build, int time, Buffer* image,
                                       Buffer* windows_gradient, Buffer* kernel_gradient,
                                       Buffer* bias_gradient) {
  ConvolutionDescs float_gradient = descs_;
  float_gradient.weights = float_desc(kernel_dims_, Tag::any);
  const auto desc =
      with_best_algorithm(try_winograd_for_kernel_, float_gradient, [this](const auto& descs) {
        return convolution_backward_weights(device_.engine, descs, forward_desc_);
      });
  const Desc found = desc.diff_weights_desc();
  Buffer* gradient = kernel_gradient;
  if (found != keras_kernel_) {
    gradient = build.memory.add(floats_of(found), time, time);
    kernel_gradient_reorder_.emplace(
        make_reorder(build, found, gradient, keras_kernel_, kernel_gradient));
  }
  kernel_gradient_.emplace(
      dnnl::convolution_backward_weights(desc), device_.engine,
      std::vector<Primitive::Argument>{{DNNL_ARG_SRC, descs_.x, image},
                                       {DNNL_ARG_DIFF_WEIGHTS, found, gradient},
                                       {DNNL_ARG_DIFF_BIAS, descs_.bias, bias_gradient},
                                       {DNNL_ARG_DIFF_DST, descs_.y, windows_gradient},
                                       scratchpad(build.memory, desc.scratchpad_desc(), time)});
}

void Convolution::forward() {
  if (folded_) folded_->refresh();
  forward_kernel_->refresh(device_.stream);
  forward_->execute(device_.stream);
}

void Convolution::image_gradient() {
  image_gradient_kernel_->refresh(device_.stream);
  image_gradient_->execute(device_.stream);
}

void Convolution::kernel_gradient() {
  kernel_gradient_->execute(device_.stream);
  if (kernel_gradient_reorder_) kernel_gradient_reorder_->execute(device_.stream);
}

}  // namespace sluice::backend::cpu
