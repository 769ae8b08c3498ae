// Fully connected layers: y = activation(x W + b) by cuBLASLt, with epilogues where it has them.
//
//   forward          Y^T = W^T X^T     + bias, + ReLU and its mask for a dense layer behind
//   kernel gradient  dW^T = dY^T X     + the bias gradient, summed up over dY on the way
//   input gradient   dX^T = W dY^T     x ReLU's derivative, from the mask of the layer before
//
// (column major; a row-major x [rows, F] is X^T there). What has no epilogue for a shape or an
// activation is done by a kernel of ours behind the product.
#include "backend/cuda/bias_gradient.h"
#include "backend/cuda/matmul.h"
#include "backend/cuda/operation.h"

namespace sluice::backend::cuda {
namespace {

constexpr int64_t kMaskAlignment = 128;  // bits

class Dense final : public Operation {
 public:
  Dense(const Build& build, const Stage& stage, Value& x, Value& y)
      : context_(build.context),
        parameters_(build.parameters),
        op_(std::get<DenseOp>(stage.op->kind)),
        activation_(stage.activation),
        x_(x),
        y_(y),
        features_(stage.op->input.dims().back()),
        units_(stage.op->output.dims().back()),
        rows_(build.batch * stage.op->input.size() / features_),
        bias_gradient_(build, y, activation_, rows_, units_, op_.bias) {
    if (stage.feeds_dense && activation_ == Activation::kRelu && y.gradient != nullptr) {
      y.relu_mask_leading = (units_ + kMaskAlignment - 1) / kMaskAlignment * kMaskAlignment;
      const auto floats = static_cast<size_t>(rows_ * y.relu_mask_leading / 32);
      y.relu_mask = build.plan.add(floats, build.forward_time, build.backward_time);
    }
    if (x.gradient != nullptr && x.relu_mask != nullptr) x.consumer_differentiates = true;
    // A last layer gives float32 from bfloat16; its gradient is rounded before the products.
    if (x.type != y.type && y.gradient != nullptr) {
      const size_t floats = floats_for(x.type, static_cast<size_t>(rows_ * units_));
      narrow_gradient_ = build.plan.add(floats, build.backward_time, build.backward_time);
    }
  }

  void prepare_forward() override {
    const bool bias = op_.bias.has_value(), relu = activation_ == Activation::kRelu;
    if (y_.relu_mask != nullptr) {
      forward_ = make_forward(bias ? CUBLASLT_EPILOGUE_RELU_AUX_BIAS : CUBLASLT_EPILOGUE_RELU_AUX);
      forward_does_all_ = forward_.has_value();
    }
    // Without a mask, the layer behind leaves the derivative to this one.
    if (!forward_ && y_.relu_mask != nullptr) {
      y_.relu_mask = nullptr;
      y_.consumer_differentiates = false;
    }
    if (!forward_ && (bias || relu)) {
      forward_ = make_forward(!relu  ? CUBLASLT_EPILOGUE_BIAS
                              : bias ? CUBLASLT_EPILOGUE_RELU_BIAS
                                     : CUBLASLT_EPILOGUE_RELU);
      forward_does_all_ = forward_ && (relu || activation_ == Activation::kLinear);
      adds_bias_ = forward_.has_value();
    }
    if (!forward_) {
      forward_ = required(make_forward(CUBLASLT_EPILOGUE_DEFAULT));
      forward_does_all_ = !bias && activation_ == Activation::kLinear;
    }
  }

  void prepare_backward() override {
    MatmulSpec spec{.m = units_,
                    .n = features_,
                    .k = rows_,
                    .transpose_b = true,
                    .factors = x_.type,
                    .a = dy(),
                    .b = x_.data->data,
                    .d = dw()};
    if (op_.bias) {
      spec.epilogue = CUBLASLT_EPILOGUE_BGRADA;
      spec.bias = parameters_.gradients_of(*op_.bias);
      kernel_gradient_ = Matmul::make(context_, spec);
      sums_bias_ = kernel_gradient_.has_value();
      spec.epilogue = CUBLASLT_EPILOGUE_DEFAULT;
      spec.bias = nullptr;
    }
    if (!kernel_gradient_) kernel_gradient_ = required(Matmul::make(context_, spec));
    if (x_.gradient != nullptr) prepare_input_gradient();
  }

  void forward(Mode) override {
    forward_->run(context_, w(), x_.data->data, y_.data->data);
    if (forward_does_all_) return;
    cudaStream_t stream = context_.compute.get();
    if (op_.bias && !adds_bias_) {
      add_bias_and_activate(activation_, y_.type, rows_, units_,
                            parameters_.values_of(*op_.bias, y_.type), y_.data->data, stream);
    } else {
      activate(activation_, y_.type, rows_ * units_, y_.data->data, y_.data->data, stream);
    }
  }

  void backward() override {
    if (sums_bias_) {
      bias_gradient_.differentiate_only();
    } else {
      bias_gradient_.run();
    }
    if (narrow_gradient_ != nullptr) {
      convert(y_.type, x_.type, rows_ * units_, y_.gradient->data, narrow_gradient_->data,
              context_.compute.get());
    }
    kernel_gradient_->run(context_, dy(), x_.data->data, dw());
    if (!input_gradient_) return;
    input_gradient_->run(context_, w(), dy(), x_.gradient->data);
    if (!mask_in_product_ && x_.consumer_differentiates) {
      differentiate(Activation::kRelu, x_.type, rows_ * features_, x_.data->data, x_.gradient->data,
                    x_.gradient->data, context_.compute.get());
    }
  }

 private:
  std::optional<Matmul> make_forward(cublasLtEpilogue_t epilogue) const {
    MatmulSpec spec{.m = units_,
                    .n = rows_,
                    .k = features_,
                    .factors = x_.type,
                    .result = y_.type,
                    .a = w(),
                    .b = x_.data->data,
                    .d = y_.data->data,
                    .epilogue = epilogue};
    if (op_.bias && epilogue != CUBLASLT_EPILOGUE_DEFAULT) {
      spec.bias = parameters_.values_of(*op_.bias, y_.type);
      spec.bias_type = y_.type;
    }
    if (y_.relu_mask != nullptr) {
      spec.relu_mask = y_.relu_mask->data;
      spec.relu_mask_leading = y_.relu_mask_leading;
    }
    return Matmul::make(context_, spec);
  }

  void prepare_input_gradient() {
    MatmulSpec spec{.m = features_,
                    .n = rows_,
                    .k = units_,
                    .transpose_a = true,
                    .factors = x_.type,
                    .result = x_.type,
                    .a = w(),
                    .b = dy(),
                    .d = x_.gradient->data};
    if (x_.relu_mask != nullptr) {
      spec.epilogue = CUBLASLT_EPILOGUE_DRELU;
      spec.relu_mask = x_.relu_mask->data;
      spec.relu_mask_leading = x_.relu_mask_leading;
      input_gradient_ = Matmul::make(context_, spec);
      mask_in_product_ = input_gradient_.has_value();
      spec.epilogue = CUBLASLT_EPILOGUE_DEFAULT;
      spec.relu_mask = nullptr;
    }
    if (!input_gradient_) input_gradient_ = required(Matmul::make(context_, spec));
  }

  static Matmul required(std::optional<Matmul> matmul) {
    if (!matmul) throw CudaError("cuBLASLt has no algorithm for a plain product");
    return std::move(*matmul);
  }

  const void* w() const { return parameters_.values_of(op_.kernel, x_.type); }
  void* dw() const { return parameters_.gradients_of(op_.kernel); }
  const void* dy() const {
    return narrow_gradient_ != nullptr ? narrow_gradient_->data : y_.gradient->data;
  }

  const Context& context_;
  const Parameters& parameters_;
  const DenseOp& op_;
  const Activation activation_;
  Value& x_;
  Value& y_;
  const int64_t features_, units_, rows_;
  const BiasGradient bias_gradient_;
  Buffer* narrow_gradient_ = nullptr;
  std::optional<Matmul> forward_, kernel_gradient_, input_gradient_;
  bool forward_does_all_ = false;  // bias and activation included
  bool adds_bias_ = false;
  bool sums_bias_ = false;
  bool mask_in_product_ = false;
};

}  // namespace

std::unique_ptr<Operation> make_dense(const Build& build, const Stage& stage, Value& x, Value& y) {
  return std::make_unique<Dense>(build, stage, x, y);
}

}  // namespace sluice::backend::cuda
