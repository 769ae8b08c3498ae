// Transposed convolution: the directions of oneDNN's convolution from y's shape to x's, exchanged.
//
//   forward          the gradient of its image
//   input gradient   its forward pass
//   kernel gradient  its kernel gradient
//
// Bias, activation and the bias' gradient are passes of their own: oneDNN's deconvolution does the
// same convolutions, but what it fuses behind them runs in plain loops, which made a forward pass
// take six times as long (oneDNN 2.6.3).
#include <algorithm>
#include <optional>

#include "backend/cpu/activation_loops.h"
#include "backend/cpu/convolution.h"
#include "backend/cpu/elementwise.h"
#include "backend/cpu/kernel.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/parameter_gradient.h"

namespace sluice::backend::cpu {
namespace {

// The images of a batch as planes of pixels, one for each block of channels.
struct Planes {
  int64_t blocks, pixels, lanes;

  explicit Planes(const Value& value)
      : blocks(value.layout == Layout::kBlocked16 ? value.shape[2] / kChannelBlock : 1),
        pixels(value.shape[0] * value.shape[1]),
        lanes(value.shape[2] / blocks) {}

  // Calls body(plane, its first channel) for those of the images [begin, end).
  template <typename T, typename Body>
  void for_each(T* data, int64_t begin, int64_t end, const Body& body) const {
    for (int64_t i = begin * blocks; i < end * blocks; ++i) {
      body(data + i * pixels * lanes, i % blocks * lanes);
    }
  }
};

class Conv2DTranspose final : public Kernel {
 public:
  Conv2DTranspose(const Build& build, const Conv2DOp& op)
      : device_(build.device),
        activation_(build.step.activation),
        x_(build.x()),
        y_(build.y()),
        batch_(build.batch),
        planes_(y_),
        bias_(op.bias ? build.parameters.values_of(*op.bias) : nullptr),
        convolution_(build, op, y_, x_, {}) {
    convolution_.plan_image_gradient(build, build.forward_time, x_.data, y_.data);
    if (activation_ != Activation::kLinear && has_post_op(activation_)) {
      const Desc desc = image_desc(batch_, y_);
      activate_.emplace(dnnl::eltwise_forward(elementwise(device_.engine, desc, activation_)),
                        device_.engine,
                        std::vector<Primitive::Argument>{{DNNL_ARG_SRC, desc, y_.data},
                                                         {DNNL_ARG_DST, desc, y_.data}});
    }
    if (!build.has_backward()) return;
    if (x_.gradient != nullptr) {
      convolution_.plan_forward(build, build.backward_time, y_.gradient, x_.gradient);
    }
    kernel_gradient_ = ParameterGradient::if_wanted(build, 0);
    bias_gradient_ = ParameterGradient::if_wanted(build, 1);
    if (kernel_gradient_) {
      convolution_.plan_kernel_gradient(build, build.backward_time, y_.gradient, x_.data,
                                        kernel_gradient_->buffer(), nullptr);
    }
    if (bias_gradient_) {
      sums_ = build.memory.add(static_cast<size_t>(2 * device_.threads * y_.shape[2]),
                               build.backward_time, build.backward_time);
    }
  }

  void forward(Mode, uint64_t) override {
    convolution_.image_gradient();
    if (bias_ != nullptr) {
      parallel_for(device_.threads, batch_, 1, [this](int64_t begin, int64_t end) {
        y_.type == Type::kFloat32 ? add_bias(y_.data->data, begin, end)
                                  : add_bias(y_.data->as<Bfloat16>(), begin, end);
      });
    }
    if (activate_) activate_->execute(device_.stream);
    if (has_post_op(activation_)) return;
    parallel_for(device_.threads, batch_ * y_.shape.size(), kChannelBlock,
                 [this](int64_t begin, int64_t end) { activate(activation_, y_, begin, end); });
  }

  void backward(uint64_t) override {
    if (!y_.is_differentiated && activation_ != Activation::kLinear) {
      parallel_for(
          device_.threads, batch_ * y_.shape.size(), kChannelBlock,
          [this](int64_t begin, int64_t end) { differentiate(activation_, y_, begin, end); });
    }
    if (x_.gradient != nullptr) convolution_.forward();
    if (kernel_gradient_) {
      convolution_.kernel_gradient();
      kernel_gradient_->done();
    }
    if (bias_gradient_) {
      y_.type == Type::kFloat32 ? sum_bias_gradient(y_.gradient->data)
                                : sum_bias_gradient(y_.gradient->as<Bfloat16>());
      bias_gradient_->done();
    }
  }

 private:
  template <typename T>
  void add_bias(T* y, int64_t begin, int64_t end) const {
    planes_.for_each(y, begin, end, [this](T* plane, int64_t channel) {
      add_to_rows(planes_.pixels, planes_.lanes, bias_ + channel, plane);
    });
  }

  template <typename T>
  void sum_bias_gradient(const T* dy) const {
    const int64_t filters = y_.shape[2];
    std::fill_n(sums_->data, 2 * device_.threads * filters, 0.0f);
    parallel_pieces(device_.threads, batch_, 1, [&](int piece, int64_t begin, int64_t end) {
      float* const total = sums_->data + 2 * piece * filters;
      float* const sums = total + filters;
      planes_.for_each(dy, begin, end, [&](const T* plane, int64_t channel) {
        sum_rows(planes_.pixels, planes_.lanes, plane, sums);
        add(planes_.lanes, sums, total + channel);
      });
    });
    float* const gradient = bias_gradient_->data();
    std::copy_n(sums_->data, filters, gradient);
    for (int piece = 1; piece < device_.threads; ++piece) {
      add(filters, sums_->data + 2 * piece * filters, gradient);
    }
  }

  const Device& device_;
  const Activation activation_;
  const Value& x_;
  const Value& y_;
  const int64_t batch_;
  const Planes planes_;  // of y
  const float* const bias_;
  Convolution convolution_;
  std::optional<Primitive> activate_;
  std::optional<ParameterGradient> kernel_gradient_, bias_gradient_;
  Buffer* sums_ = nullptr;  // for each thread [filters] of a total and of one plane
};

}  // namespace

std::unique_ptr<Kernel> make_conv2d_transpose(const Build& build, const Conv2DOp& op) {
  return std::make_unique<Conv2DTranspose>(build, op);
}

}  // namespace sluice::backend::cpu
