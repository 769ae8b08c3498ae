// Convolutions by cuDNN, bias and ReLU fused into the forward pass where it can, and their
// transposes.
//
//   x [N, H, W, C]   w [filters, h, w, C / groups]   y [N, H', W', filters]
//
// A transposed one runs the directions of the convolution that leads from images of y's shape to
// images of x's: forward the gradient of its image, and its forward pass for the gradient of x.
//
// cuDNN pads opposite sides alike; Keras' "same" does not always, and then the image is padded into
// a buffer first, or cut out of one. The kernel gradient comes in the type of the images: bfloat16
// is widened after.
#include "backend/cuda/bias_gradient.h"
#include "backend/cuda/convolution.h"
#include "backend/cuda/operation.h"

namespace sluice::backend::cuda {
namespace {

bool is_symmetric(const Padding2D& padding) {
  return padding.top == padding.bottom && padding.left == padding.right;
}

// From `image` to what the windows on it leave.
ConvolutionShape shape_of(int64_t batch, const Conv2DOp& conv, const Shape& image,
                          const Shape& windows, Type type) {
  const Padding2D& p = conv.padding;
  const bool padded = !is_symmetric(p);
  return {.batch = batch,
          .height = image[0] + (padded ? p.top + p.bottom : 0),
          .width = image[1] + (padded ? p.left + p.right : 0),
          .channels = image[2],
          .kernel_h = conv.kernel_h,
          .kernel_w = conv.kernel_w,
          .filters = windows[2],
          .stride_h = conv.stride_h,
          .stride_w = conv.stride_w,
          .dilation_h = conv.dilation_h,
          .dilation_w = conv.dilation_w,
          .padding_h = padded ? 0 : p.top,
          .padding_w = padded ? 0 : p.left,
          .groups = conv.groups,
          .out_height = windows[0],
          .out_width = windows[1],
          .type = type};
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
        image_(op.transposed ? y_ : x_),
        rows_(build.batch * y_.shape[0] * y_.shape[1]),
        shape_(shape_of(build.batch, op, image_.shape, (op.transposed ? x_ : y_).shape, y_.type)),
        convolution_(build.context, shape_),
        bias_gradient_(build, rows_, y_.shape[2], op.bias.has_value()),
        kernel_gradient_(build, 0) {
    const auto floats = [&](int64_t size) {
      return floats_for(y_.type, static_cast<size_t>(size));
    };
    if (!is_symmetric(op_.padding)) {
      const size_t size = floats(build.batch * shape_.height * shape_.width * shape_.channels);
      padded_ = build.memory.add(size, build.forward_time,
                                 op_.transposed ? build.forward_time : build.backward_time);
      if (build.has_backward() && (op_.transposed || x_.gradient != nullptr)) {
        padded_gradient_ = build.memory.add(size, build.backward_time, build.backward_time);
      }
    }
    if (y_.type != Type::kFloat32 && kernel_gradient_.is_wanted()) {
      narrow_gradient_ = build.memory.add(floats(static_cast<int64_t>(op_.kernel.size)),
                                          build.backward_time, build.backward_time);
    }
  }

  void prepare_forward() override {
    if (op_.transposed) return convolution_.prepare_input_gradient(w(), x_.data->data, image());
    const bool fusible = activation_ == Activation::kRelu || activation_ == Activation::kLinear;
    fused_ = op_.bias && fusible &&
             convolution_.prepare_fused_forward(activation_, image(), w(), bias(), y_.data->data);
    if (!fused_) convolution_.prepare_forward(image(), w(), y_.data->data);
  }

  void prepare_backward() override {
    if (kernel_gradient_.is_wanted()) {
      if (op_.transposed) {
        convolution_.prepare_kernel_gradient(dimage(), x_.data->data, dw());
      } else {
        convolution_.prepare_kernel_gradient(image(), y_.gradient->data, dw());
      }
    }
    if (x_.gradient == nullptr) return;
    if (op_.transposed) {
      convolution_.prepare_forward(dimage(), w(), x_.gradient->data);
    } else {
      convolution_.prepare_input_gradient(w(), y_.gradient->data, dimage());
    }
  }

  void forward(Mode) override {
    if (op_.transposed) {
      convolution_.input_gradient(w(), x_.data->data, image());
      if (padded_ != nullptr) crop(padded_, y_.data);
    } else {
      if (padded_ != nullptr) pad(x_.data, padded_);
      if (fused_) {
        return convolution_.fused_forward(activation_, image(), w(), bias(), y_.data->data);
      }
      convolution_.forward(image(), w(), y_.data->data);
    }
    cudaStream_t stream = context_.main.stream.get();
    if (op_.bias) {
      add_bias_and_activate(activation_, y_.type, rows_, y_.shape[2], bias(), y_.data->data,
                            stream);
    } else if (activation_ != Activation::kLinear) {
      activate(activation_, y_.type, rows_ * y_.shape[2], y_.data->data, y_.data->data, stream);
    }
  }

  void backward() override {
    bias_gradient_.differentiate();
    if (op_.transposed && padded_gradient_ != nullptr) pad(y_.gradient, padded_gradient_);
    context_.fork();
    bias_gradient_.sum();
    if (kernel_gradient_.is_wanted()) compute_kernel_gradient();
    if (x_.gradient != nullptr) compute_input_gradient();
    context_.join();
  }

 private:
  // On the side lane.
  void compute_kernel_gradient() {
    cudaStream_t stream = context_.side.stream.get();
    if (op_.transposed) {
      convolution_.kernel_gradient(dimage(), x_.data->data, dw());
    } else {
      convolution_.kernel_gradient(image(), y_.gradient->data, dw());
    }
    if (narrow_gradient_ != nullptr) {
      convert(y_.type, Type::kFloat32, static_cast<int64_t>(op_.kernel.size),
              narrow_gradient_->data, kernel_gradient_.data(), stream);
    }
    kernel_gradient_.done(stream);
  }

  void compute_input_gradient() {
    if (op_.transposed) return convolution_.forward(dimage(), w(), x_.gradient->data);
    convolution_.input_gradient(w(), y_.gradient->data, dimage());
    if (padded_gradient_ != nullptr) crop(padded_gradient_, x_.gradient);
  }

  void pad(const Buffer* from, Buffer* to) const {
    pad_images(y_.type, shape_.batch, image_.shape, op_.padding, from->data, to->data,
               context_.main.stream.get());
  }
  void crop(const Buffer* from, Buffer* to) const {
    crop_images(y_.type, shape_.batch, image_.shape, op_.padding, from->data, to->data,
                context_.main.stream.get());
  }

  // What the windows slide over, x or y, and its gradient, as cuDNN gets them.
  void* image() const { return padded_ != nullptr ? padded_->data : image_.data->data; }
  void* dimage() const {
    return padded_gradient_ != nullptr ? padded_gradient_->data : image_.gradient->data;
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
  const Value& image_;
  const int64_t rows_;  // pixels of y in a batch
  const ConvolutionShape shape_;
  Convolution convolution_;
  const BiasGradient bias_gradient_;
  const ParameterGradient kernel_gradient_;
  Buffer* padded_ = nullptr;  // the image, where its sides are padded differently
  Buffer* padded_gradient_ = nullptr;
  Buffer* narrow_gradient_ = nullptr;  // the kernel's, in bfloat16
  bool fused_ = false;
};

}  // namespace

std::unique_ptr<Operation> make_operation(const Build& build, const Conv2DOp& op) {
  return std::make_unique<Conv2D>(build, op);
}

}  // namespace sluice::backend::cuda
