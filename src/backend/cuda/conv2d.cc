// Convolutions by cuDNN, bias and ReLU fused into the forward pass where it can.
//
//   x [N, H, W, C]   w [filters, h, w, C]   y [N, H', W', filters]
//
// cuDNN pads opposite sides alike; Keras' "same" does not always, and then the image is padded into
// a buffer first. The kernel gradient comes in the type of the images: bfloat16 is widened after.
#include "backend/cuda/bias_gradient.h"
#include "backend/cuda/convolution.h"
#include "backend/cuda/operation.h"

namespace sluice::backend::cuda {
namespace {

bool is_symmetric(const Padding2D& padding) {
  return padding.top == padding.bottom && padding.left == padding.right;
}

ConvolutionShape shape_of(int64_t batch, const Conv2DOp& conv, const Value& x, const Value& y) {
  const Padding2D& p = conv.padding;
  const bool padded = !is_symmetric(p);
  return {.batch = batch,
          .height = x.shape[0] + (padded ? p.top + p.bottom : 0),
          .width = x.shape[1] + (padded ? p.left + p.right : 0),
          .channels = x.shape[2],
          .kernel_h = conv.kernel_h,
          .kernel_w = conv.kernel_w,
          .filters = y.shape[2],
          .stride_h = conv.stride_h,
          .stride_w = conv.stride_w,
          .padding_h = padded ? 0 : p.top,
          .padding_w = padded ? 0 : p.left,
          .out_height = y.shape[0],
          .out_width = y.shape[1],
          .type = y.type};
}

class Conv2D final : public Operation {
 public:
  Conv2D(const Build& build, const Conv2DOp& op)
      : context_(build.context),
        parameters_(build.parameters),
        op_(op),
        activation_(build.step.activation),
        x_(build.x()),
        y_(build.y()),
        shape_(shape_of(build.batch, op, x_, y_)),
        convolution_(build.context, shape_),
        bias_gradient_(build, build.batch * shape_.out_height * shape_.out_width, shape_.filters,
                       op.bias.has_value()),
        kernel_gradient_(build, 0) {
    const auto floats = [&](int64_t size) {
      return floats_for(y_.type, static_cast<size_t>(size));
    };
    if (!is_symmetric(op_.padding)) {
      const size_t size = floats(build.batch * shape_.height * shape_.width * shape_.channels);
      padded_ = build.memory.add(size, build.forward_time, build.backward_time);
      if (x_.gradient != nullptr) {
        padded_gradient_ = build.memory.add(size, build.backward_time, build.backward_time);
      }
    }
    if (y_.type != Type::kFloat32 && kernel_gradient_.is_wanted()) {
      narrow_gradient_ = build.memory.add(floats(static_cast<int64_t>(op_.kernel.size)),
                                          build.backward_time, build.backward_time);
    }
  }

  void prepare_forward() override {
    const bool fusible = activation_ == Activation::kRelu || activation_ == Activation::kLinear;
    fused_ = op_.bias && fusible &&
             convolution_.prepare_fused_forward(activation_, x(), w(), bias(), y_.data->data);
    if (!fused_) convolution_.prepare_forward(x(), w(), y_.data->data);
  }

  void prepare_backward() override {
    if (kernel_gradient_.is_wanted()) {
      convolution_.prepare_kernel_gradient(x(), y_.gradient->data, dw());
    }
    if (x_.gradient != nullptr) {
      convolution_.prepare_input_gradient(w(), y_.gradient->data, dx());
    }
  }

  void forward(Mode) override {
    cudaStream_t stream = context_.main.stream.get();
    if (padded_ != nullptr) {
      pad_images(y_.type, shape_.batch, x_.shape, op_.padding, x_.data->data, padded_->data,
                 stream);
    }
    if (fused_) {
      return convolution_.fused_forward(activation_, x(), w(), bias(), y_.data->data);
    }
    convolution_.forward(x(), w(), y_.data->data);
    const int64_t rows = shape_.batch * shape_.out_height * shape_.out_width;
    if (op_.bias) {
      add_bias_and_activate(activation_, y_.type, rows, shape_.filters, bias(), y_.data->data,
                            stream);
    } else if (activation_ != Activation::kLinear) {
      activate(activation_, y_.type, rows * shape_.filters, y_.data->data, y_.data->data, stream);
    }
  }

  void backward() override {
    bias_gradient_.differentiate();
    context_.fork();
    bias_gradient_.sum();
    if (kernel_gradient_.is_wanted()) compute_kernel_gradient();
    if (x_.gradient != nullptr) {
      convolution_.input_gradient(w(), y_.gradient->data, dx());
      if (padded_gradient_ != nullptr) {
        crop_images(y_.type, shape_.batch, x_.shape, op_.padding, padded_gradient_->data,
                    x_.gradient->data, context_.main.stream.get());
      }
    }
    context_.join();
  }

 private:
  // On the side lane.
  void compute_kernel_gradient() {
    cudaStream_t stream = context_.side.stream.get();
    convolution_.kernel_gradient(x(), y_.gradient->data, dw());
    if (narrow_gradient_ != nullptr) {
      convert(y_.type, Type::kFloat32, static_cast<int64_t>(op_.kernel.size),
              narrow_gradient_->data, kernel_gradient_.data(), stream);
    }
    kernel_gradient_.done(stream);
  }

  const void* x() const { return padded_ != nullptr ? padded_->data : x_.data->data; }
  void* dx() const {
    return padded_gradient_ != nullptr ? padded_gradient_->data : x_.gradient->data;
  }
  const void* w() const { return parameters_.values_of(op_.kernel, y_.type); }
  const void* bias() const { return parameters_.values_of(*op_.bias, y_.type); }
  void* dw() const {
    return narrow_gradient_ != nullptr ? narrow_gradient_->data : kernel_gradient_.data();
  }

  const Context& context_;
  const Parameters& parameters_;
  const Conv2DOp& op_;
  const Activation activation_;
  const Value& x_;
  const Value& y_;
  const ConvolutionShape shape_;
  Convolution convolution_;
  const BiasGradient bias_gradient_;
  const ParameterGradient kernel_gradient_;
  Buffer* padded_ = nullptr;  // x, where the sides are padded differently
  Buffer* padded_gradient_ = nullptr;
  Buffer* narrow_gradient_ = nullptr;  // the kernel's, in bfloat16
  bool fused_ = false;
};

}  // namespace

std::unique_ptr<Operation> make_operation(const Build& build, const Conv2DOp& op) {
  return std::make_unique<Conv2D>(build, op);
}

}  // namespace sluice::backend::cuda
