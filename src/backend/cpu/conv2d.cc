// Convolution on oneDNN, with bias and activation fused.
//
// The parameters stay in Keras' layout; oneDNN works on copies in the layouts and the type it
// prefers, which are made anew when the parameters have changed. Convolution kernels are small, so
// that costs little.
#include <algorithm>
#include <optional>

#include "backend/cpu/elementwise.h"
#include "backend/cpu/kernel.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/parameter_gradient.h"
#include "backend/cpu/primitive.h"
#include "backend/cpu/reordered_parameter.h"
#include "backend/cpu/routed_gradient.h"

namespace sluice::backend::cpu {
namespace {

Desc image_desc(int64_t batch, const Value& value) {
  return tensor_desc(value.type, Dims{batch, value.shape[2], value.shape[0], value.shape[1]},
                     value.layout == Layout::kBlocked16 ? Tag::nChw16c : Tag::nhwc);
}

// Whether Winograd's algorithm (Lavin & Gray, 2015; tiles of 4 x 4 outputs) is faster, where oneDNN
// has it: up to 2.5 times, measured over channels 16 to 256, images 4 to 56 wide and batches 1 to
// 64. It multiplies less and moves more, so it needs enough channels and tiles. Its relative error
// is 5e-7 where the direct algorithm's is 1.5e-7.
bool winograd_pays(const Conv2DOp& op, int64_t channels, const Shape& out, int64_t batch) {
  const bool fits = op.kernel_h == 3 && op.kernel_w == 3 && op.stride_h == 1 && op.stride_w == 1;
  const int64_t tiles = batch * ((out[0] + 3) / 4) * ((out[1] + 3) / 4);
  return fits && std::min(channels, out[2]) >= 32 && tiles >= 48;
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

class Conv2D final : public Kernel {
 public:
  Conv2D(const Build& build, const Conv2DOp& op)
      : device_(build.device),
        parameters_(build.parameters),
        op_(op),
        activation_(build.step.activation),
        x_value_(build.x()),
        y_(build.y()),
        batch_(build.batch),
        x_size_(x_value_.shape.size()),
        y_size_(y_.shape.size()),
        try_winograd_(y_.type == Type::kFloat32 &&
                      winograd_pays(op_, x_value_.shape[2], y_.shape, build.batch)),
        many_channels_(x_value_.shape[2] > 1) {
    set_descs();
    make_forward(build);
    if (!build.has_backward()) return;
    if (x_value_.gradient != nullptr) make_backward_data(build);
    kernel_gradient_ = ParameterGradient::if_wanted(build, 0);
    bias_gradient_ = ParameterGradient::if_wanted(build, 1);
    if (!kernel_gradient_) return;
    const bool in_blocks = x_value_.layout == Layout::kBlocked16 && y_.layout == Layout::kBlocked16;
    const Shape &from = x_value_.shape, &to = y_.shape;
    if (y_.type == Type::kBfloat16 && build.gradient_is_routed && in_blocks &&
        RoutedGradient::fits(op_, from, to)) {
      routed_.emplace(from, to);
      sums_ = build.memory.add(static_cast<size_t>(device_.threads * routed_->sums_size()),
                               build.backward_time, build.backward_time);
    } else {
      make_backward_weights(build);
    }
  }

  void forward(Mode, uint64_t) override {
    weights_->refresh(device_.stream);
    if (x_reorder_) x_reorder_->execute(device_.stream);
    forward_->execute(device_.stream);
  }

  void backward(uint64_t) override {
    if (!y_.reader_differentiates && activation_ != Activation::kLinear) {
      parallel_for(
          device_.threads, batch_ * y_size_, kChannelBlock,
          [this](int64_t begin, int64_t end) { differentiate(activation_, y_, begin, end); });
    }
    if (backward_data_) {
      backward_data_weights_->refresh(device_.stream);
      backward_data_->execute(device_.stream);
    }
    if (!kernel_gradient_) return;
    if (routed_) {
      add_routed_gradients();
    } else {
      backward_weights_->execute(device_.stream);
      if (gradient_reorder_) gradient_reorder_->execute(device_.stream);
    }
    kernel_gradient_->done();
    if (bias_gradient_) bias_gradient_->done();
  }

 private:
  void set_descs() {
    const Shape& image = x_value_.shape;
    const int64_t channels = image[2], filters = y_.shape[2];
    kernel_ = {filters, channels, op_.kernel_h, op_.kernel_w};
    keras_weights_ = float_desc(kernel_, Tag::hwio);
    x_desc_ = image_desc(batch_, x_value_);
    descs_.x = x_desc_;
    if (y_.layout == Layout::kBlocked16 && x_value_.layout == Layout::kPlain) {
      // The first convolution over an image of few channels: oneDNN wants them outermost.
      descs_.x = tensor_desc(x_value_.type, Dims{batch_, channels, image[0], image[1]}, Tag::nchw);
    }
    descs_.weights = tensor_desc(y_.type, kernel_, Tag::any);
    if (op_.bias) descs_.bias = float_desc(Dims{filters}, Tag::a);
    descs_.y = image_desc(batch_, y_);
    descs_.strides = {op_.stride_h, op_.stride_w};
    descs_.padding_begin = {op_.padding.top, op_.padding.left};
    descs_.padding_end = {op_.padding.bottom, op_.padding.right};
  }

  void make_forward(const Build& build) {
    x_ = x_value_.data;
    if (descs_.x != x_desc_ && many_channels_) make_x_reorder(build);
    forward_desc_ = with_best_algorithm(try_winograd_, descs_, [this](const auto& descs) {
      return convolution_forward(device_.engine, descs, activation_);
    });
    weights_.emplace(build, op_.kernel, keras_weights_, forward_desc_.weights_desc());
    bias_ = op_.bias ? build.memory.elsewhere(parameters_.values_of(*op_.bias)) : nullptr;
    forward_.emplace(
        dnnl::convolution_forward(forward_desc_), device_.engine,
        std::vector<Primitive::Argument>{
            {DNNL_ARG_SRC, descs_.x, x_},
            {DNNL_ARG_WEIGHTS, forward_desc_.weights_desc(), weights_->buffer()},
            {DNNL_ARG_BIAS, descs_.bias, bias_},
            {DNNL_ARG_DST, descs_.y, y_.data},
            scratchpad(build.memory, forward_desc_.scratchpad_desc(), build.forward_time)});
  }

  void make_x_reorder(const Build& build) {
    x_ = build.memory.add(floats_of(descs_.x), build.forward_time, build.backward_time);
    x_reorder_.emplace(make_reorder(build, x_desc_, x_value_.data, descs_.x, x_));
  }

  void make_backward_data(const Build& build) {
    const auto desc = with_best_algorithm(try_winograd_, descs_, [this](const auto& descs) {
      return convolution_backward_data(device_.engine, descs, forward_desc_);
    });
    backward_data_weights_.emplace(build, op_.kernel, keras_weights_, desc.weights_desc());
    backward_data_.emplace(
        dnnl::convolution_backward_data(desc), device_.engine,
        std::vector<Primitive::Argument>{
            {DNNL_ARG_DIFF_SRC, descs_.x, x_value_.gradient},
            {DNNL_ARG_WEIGHTS, desc.weights_desc(), backward_data_weights_->buffer()},
            {DNNL_ARG_DIFF_DST, descs_.y, y_.gradient},
            scratchpad(build.memory, desc.scratchpad_desc(), build.backward_time)});
  }

  void make_backward_weights(const Build& build) {
    ConvolutionDescs float_gradient = descs_;
    float_gradient.weights = float_desc(kernel_, Tag::any);
    const auto desc = with_best_algorithm(try_winograd_, float_gradient, [this](const auto& descs) {
      return convolution_backward_weights(device_.engine, descs, forward_desc_);
    });
    const Desc weights = desc.diff_weights_desc();
    Buffer* keras = kernel_gradient_->buffer();
    Buffer* gradient = keras;
    if (weights != keras_weights_) {
      gradient = build.memory.add(floats_of(weights), build.backward_time, build.backward_time);
      gradient_reorder_.emplace(make_reorder(build, weights, gradient, keras_weights_, keras));
    }
    Buffer* bias = bias_gradient_ ? bias_gradient_->buffer() : nullptr;
    backward_weights_.emplace(
        dnnl::convolution_backward_weights(desc), device_.engine,
        std::vector<Primitive::Argument>{
            {DNNL_ARG_SRC, descs_.x, x_},
            {DNNL_ARG_DIFF_WEIGHTS, weights, gradient},
            {DNNL_ARG_DIFF_BIAS, descs_.bias, bias},
            {DNNL_ARG_DIFF_DST, descs_.y, y_.gradient},
            scratchpad(build.memory, desc.scratchpad_desc(), build.backward_time)});
  }

  void add_routed_gradients() {
    const int64_t size = routed_->sums_size();
    std::fill_n(sums_->data, device_.threads * size, 0.0f);
    parallel_pieces(device_.threads, batch_, 1, [&](int piece, int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        routed_->add(x_->as<Bfloat16>() + n * x_size_, y_.gradient->as<Bfloat16>() + n * y_size_,
                     sums_->data + piece * size);
      }
    });
    routed_->finish(device_.threads, sums_->data, kernel_gradient_->data(),
                    bias_gradient_ ? bias_gradient_->data() : nullptr);
  }

  const Device& device_;
  ParameterStore& parameters_;
  const Conv2DOp& op_;
  const Activation activation_;
  const Value& x_value_;
  const Value& y_;
  const int64_t batch_, x_size_, y_size_;
  const bool try_winograd_;
  const bool many_channels_;  // otherwise channels last and channels first are the same
  ConvolutionDescs descs_;    // x as oneDNN gets it
  Desc x_desc_;               // x as it comes, x_value_
  Dims kernel_;
  Desc keras_weights_;
  Buffer* x_ = nullptr;
  Buffer* bias_ = nullptr;
  dnnl::convolution_forward::primitive_desc forward_desc_;
  std::optional<ReorderedParameter> weights_, backward_data_weights_;
  std::optional<Primitive> x_reorder_, forward_, backward_data_, backward_weights_,
      gradient_reorder_;
  std::optional<ParameterGradient> kernel_gradient_, bias_gradient_;
  std::optional<RoutedGradient> routed_;  // instead of backward_weights_
  Buffer* sums_ = nullptr;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Build& build, const Conv2DOp& op) {
  return std::make_unique<Conv2D>(build, op);
}

}  // namespace sluice::backend::cpu
