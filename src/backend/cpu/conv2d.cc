// Convolution on oneDNN, with bias and activation fused.
//
// Grouped and depthwise convolutions are oneDNN's too, in blocks of channels where it has kernels
// for that (backend/ops.cc), otherwise channels last. A depth multiplier above 1 is its slowest
// case, since a group then has one input: 3 x 3 to 64 channels took eight times as long with a
// multiplier of 2 as with 1, channels last as in oneDNN's own choice (2.6.3, AVX-512, one thread).
#include <algorithm>
#include <optional>

#include "backend/cpu/activation_loops.h"
#include "backend/cpu/convolution.h"
#include "backend/cpu/elementwise.h"
#include "backend/cpu/kernel.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/parameter_gradient.h"
#include "backend/cpu/routed_gradient.h"

namespace sluice::backend::cpu {
namespace {

class Conv2D final : public Kernel {
 public:
  Conv2D(const Build& build, const Conv2DOp& op)
      : device_(build.device),
        activation_(build.step.activation),
        x_(build.x()),
        y_(build.y()),
        batch_(build.batch),
        x_size_(x_.shape.size()),
        y_size_(y_.shape.size()),
        convolution_(build, op, x_, y_,
                     {op.bias, activation_, build.step.normalization, build.step.adds}) {
    Buffer* image = x_.data;
    const Desc x_desc = image_desc(batch_, x_);
    // With one channel, channels last and channels first are the same.
    if (convolution_.image() != x_desc && x_.shape[2] > 1) {
      image = build.memory.add(floats_of(convolution_.image()), build.forward_time,
                               build.backward_time);
      x_reorder_.emplace(make_reorder(build, x_desc, x_.data, convolution_.image(), image));
    }
    convolution_.plan_forward(build, build.forward_time, image, y_.data);
    if (!build.has_backward()) return;
    kernel_gradient_ = ParameterGradient::if_wanted(build, 0);
    bias_gradient_ = ParameterGradient::if_wanted(build, 1);
    const bool in_blocks = x_.layout == Layout::kBlocked16 && y_.layout == Layout::kBlocked16;
    if (build.gradient_is_routed && in_blocks &&
        RoutedGradient::fits(op, y_.type, x_.shape, y_.shape) &&
        (kernel_gradient_ || y_.type == Type::kFloat32)) {
      routed_.emplace(y_.type, x_.shape, y_.shape);
    }
    if (x_.gradient != nullptr) {
      if (routed_ && y_.type == Type::kFloat32) {
        routed_kernel_.emplace(make_routed_kernel(build, op));
      } else {
        convolution_.plan_image_gradient(build, build.backward_time, y_.gradient, x_.gradient);
      }
    }
    if (!kernel_gradient_) return;
    if (routed_) {
      sums_ = build.memory.add(static_cast<size_t>(device_.threads * routed_->sums_size()),
                               build.backward_time, build.backward_time);
    } else {
      convolution_.plan_kernel_gradient(build, build.backward_time, image, y_.gradient,
                                        kernel_gradient_->buffer(),
                                        bias_gradient_ ? bias_gradient_->buffer() : nullptr);
    }
  }

  void forward(Mode, uint64_t) override {
    if (x_reorder_) x_reorder_->execute(device_.stream);
    convolution_.forward();
    if (has_post_op(activation_)) return;
    parallel_for(device_.threads, batch_ * y_size_, kChannelBlock,
                 [this](int64_t begin, int64_t end) { activate(activation_, y_, begin, end); });
  }

  void backward(uint64_t) override {
    if (!y_.is_differentiated && activation_ != Activation::kLinear) {
      parallel_for(
          device_.threads, batch_ * y_size_, kChannelBlock,
          [this](int64_t begin, int64_t end) { differentiate(activation_, y_, begin, end); });
    }
    if (routed_) {
      route_gradients();
    } else if (kernel_gradient_) {
      convolution_.kernel_gradient();
    }
    // Behind the kernel's, so that the image's gradient is in the cache for who reads it next.
    if (convolution_.has_image_gradient()) convolution_.image_gradient();
    if (!kernel_gradient_) return;
    kernel_gradient_->done();
    if (bias_gradient_) bias_gradient_->done();
  }

 private:
  // As RoutedGradient::spread() takes the kernel, which lies as Keras has it.
  ReorderedParameter make_routed_kernel(const Build& build, const Conv2DOp& op) const {
    const int64_t c = x_.shape[2], f = y_.shape[2], h = op.kernel_h, w = op.kernel_w;
    const Dims dims{c / kChannelBlock, kChannelBlock, f, h, w};
    const Dims from{kChannelBlock * f, f, 1, w * c * f, c * f};
    const Dims to{f * h * w * kChannelBlock, 1, h * w * kChannelBlock, w * kChannelBlock,
                  kChannelBlock};
    const auto type = onednn_type(Type::kFloat32);
    return ReorderedParameter(build, op.kernel, Desc(dims, type, from), Desc(dims, type, to));
  }

  // One image after the other, so that its gradient comes from memory once.
  void route_gradients() {
    const int64_t size = sums_ != nullptr ? routed_->sums_size() : 0;
    if (sums_ != nullptr) std::fill_n(sums_->data, device_.threads * size, 0.0f);
    if (routed_kernel_) routed_kernel_->refresh(device_.stream);
    parallel_pieces(device_.threads, batch_, 1, [&](int piece, int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        if (y_.type == Type::kBfloat16) {
          routed_->add(x_.data->as<Bfloat16>() + n * x_size_,
                       y_.gradient->as<Bfloat16>() + n * y_size_, sums_->data + piece * size);
          continue;
        }
        const float* dy = y_.gradient->data + n * y_size_;
        if (sums_ != nullptr) {
          routed_->add(x_.data->data + n * x_size_, dy, sums_->data + piece * size);
        }
        if (routed_kernel_) {
          routed_->spread(routed_kernel_->buffer()->data, dy, x_.gradient->data + n * x_size_);
        }
      }
    });
    if (sums_ == nullptr) return;
    routed_->finish(device_.threads, sums_->data, kernel_gradient_->data(),
                    bias_gradient_ ? bias_gradient_->data() : nullptr);
  }

  const Device& device_;
  const Activation activation_;
  const Value& x_;
  const Value& y_;
  const int64_t batch_, x_size_, y_size_;
  Convolution convolution_;
  std::optional<Primitive> x_reorder_;
  std::optional<ParameterGradient> kernel_gradient_, bias_gradient_;
  // Instead of the convolution's kernel gradient, and in float32 of its image gradient.
  std::optional<RoutedGradient> routed_;
  std::optional<ReorderedParameter> routed_kernel_;
  Buffer* sums_ = nullptr;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Build& build, const Conv2DOp& op) {
  if (op.transposed) return make_conv2d_transpose(build, op);
  return std::make_unique<Conv2D>(build, op);
}

}  // namespace sluice::backend::cpu
