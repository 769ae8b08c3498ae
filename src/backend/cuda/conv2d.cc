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

ConvolutionShape shape_of(int64_t batch, const Op& op, DataType type) {
  const auto& conv = std::get<Conv2DOp>(op.kind);
  const Padding2D& p = conv.padding;
  const bool padded = !is_symmetric(p);
  return {.batch = batch,
          .height = op.input[0] + (padded ? p.top + p.bottom : 0),
          .width = op.input[1] + (padded ? p.left + p.right : 0),
          .channels = op.input[2],
          .kernel_h = conv.kernel_h,
          .kernel_w = conv.kernel_w,
          .filters = op.output[2],
          .stride_h = conv.stride_h,
          .stride_w = conv.stride_w,
          .padding_h = padded ? 0 : p.top,
          .padding_w = padded ? 0 : p.left,
          .out_height = op.output[0],
          .out_width = op.output[1],
          .type = type};
}

class Conv2D final : public Operation {
 public:
  Conv2D(const Build& build, const Stage& stage, Value& x, Value& y)
      : context_(build.context),
        parameters_(build.parameters),
        op_(*stage.op),
        conv_(std::get<Conv2DOp>(stage.op->kind)),
        activation_(stage.activation),
        x_(x),
        y_(y),
        shape_(shape_of(build.batch, *stage.op, y.type)),
        convolution_(build.context, shape_),
        bias_gradient_(build, y, activation_, build.batch * shape_.out_height * shape_.out_width,
                       shape_.filters, conv_.bias) {
    const auto floats = [&](int64_t size) { return floats_for(y.type, static_cast<size_t>(size)); };
    if (!is_symmetric(conv_.padding)) {
      const size_t size = floats(build.batch * shape_.height * shape_.width * shape_.channels);
      padded_ = build.plan.add(size, build.forward_time, build.backward_time);
      if (x.gradient != nullptr) {
        padded_gradient_ = build.plan.add(size, build.backward_time, build.backward_time);
      }
    }
    if (y.type != DataType::kFloat32) {
      narrow_gradient_ = build.plan.add(floats(static_cast<int64_t>(conv_.kernel.size)),
                                        build.backward_time, build.backward_time);
    }
  }

  void prepare_forward() override {
    const bool fusible = activation_ == Activation::kRelu || activation_ == Activation::kLinear;
    fused_ = conv_.bias && fusible &&
             convolution_.prepare_fused_forward(activation_, x(), w(), bias(), y_.data->data);
    if (!fused_) convolution_.prepare_forward(x(), w(), y_.data->data);
  }

  void prepare_backward() override {
    convolution_.prepare_kernel_gradient(x(), y_.gradient->data, dw());
    if (x_.gradient != nullptr) {
      convolution_.prepare_input_gradient(w(), y_.gradient->data, dx());
    }
  }

  void forward(Mode) override {
    cudaStream_t stream = context_.main.stream.get();
    if (padded_ != nullptr) {
      pad_images(y_.type, shape_.batch, op_.input, conv_.padding, x_.data->data, padded_->data,
                 stream);
    }
    if (fused_) {
      return convolution_.fused_forward(activation_, x(), w(), bias(), y_.data->data);
    }
    convolution_.forward(x(), w(), y_.data->data);
    const int64_t rows = shape_.batch * shape_.out_height * shape_.out_width;
    if (conv_.bias) {
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
    convolution_.kernel_gradient(x(), y_.gradient->data, dw());
    if (narrow_gradient_ != nullptr) {
      convert(y_.type, DataType::kFloat32, static_cast<int64_t>(conv_.kernel.size),
              narrow_gradient_->data, parameters_.gradients_of(conv_.kernel),
              context_.side.stream.get());
    }
    if (x_.gradient != nullptr) {
      convolution_.input_gradient(w(), y_.gradient->data, dx());
      if (padded_gradient_ != nullptr) {
        crop_images(y_.type, shape_.batch, op_.input, conv_.padding, padded_gradient_->data,
                    x_.gradient->data, context_.main.stream.get());
      }
    }
    context_.join();
  }

 private:
  const void* x() const { return padded_ != nullptr ? padded_->data : x_.data->data; }
  void* dx() const {
    return padded_gradient_ != nullptr ? padded_gradient_->data : x_.gradient->data;
  }
  const void* w() const { return parameters_.values_of(conv_.kernel, y_.type); }
  const void* bias() const { return parameters_.values_of(*conv_.bias, y_.type); }
  void* dw() const {
    return narrow_gradient_ != nullptr ? narrow_gradient_->data
                                       : parameters_.gradients_of(conv_.kernel);
  }

  const Context& context_;
  const Parameters& parameters_;
  const Op& op_;
  const Conv2DOp& conv_;
  const Activation activation_;
  Value& x_;
  Value& y_;
  const ConvolutionShape shape_;
  Convolution convolution_;
  const BiasGradient bias_gradient_;
  Buffer* padded_ = nullptr;  // x, where the sides are padded differently
  Buffer* padded_gradient_ = nullptr;
  Buffer* narrow_gradient_ = nullptr;  // the kernel's, in bfloat16
  bool fused_ = false;
};

}  // namespace

std::unique_ptr<Operation> make_conv2d(const Build& build, const Stage& stage, Value& x, Value& y) {
  return std::make_unique<Conv2D>(build, stage, x, y);
}

}  // namespace sluice::backend::cuda
