// Fully connected layers: y = activation(x W + b) by cuBLASLt, with epilogues where it has them.
//
//   forward          Y^T = W^T X^T     + bias, + ReLU
//   kernel gradient  dW^T = dY^T X
//   input gradient   dX^T = W dY^T
//
// (column major; a row-major x [rows, F] is X^T there). What has no epilogue for a shape or an
// activation is done by a kernel of ours behind the product. On the way back there is none at all:
// the derivative and the bias' gradient are one pass of ours over dY. cuBLASLt's own sum of a bias'
// gradient (BGRADA) is a kernel of its own too, and its mask of ReLU (RELU_AUX) has the derivative
// 1 at 0, where Keras has 0.
#include "backend/cuda/bias_gradient.h"
#include "backend/cuda/matmul.h"
#include "backend/cuda/operation.h"

namespace sluice::backend::cuda {
namespace {

class Dense final : public Operation {
 public:
  Dense(const Build& build, const DenseOp& op)
      : context_(build.context),
        parameters_(build.parameters),
        op_(op),
        activation_(build.step.activation),
        x_(build.x()),
        y_(build.y()),
        features_(x_.shape.dims().back()),
        units_(y_.shape.dims().back()),
        rows_(build.batch * x_.shape.size() / features_),
        bias_gradient_(build, rows_, units_, op.bias.has_value()),
        gradient_(build, 0) {
    // A last layer gives float32 from bfloat16; its gradient is rounded before the products.
    if (x_.type != y_.type && y_.gradient != nullptr) {
      const size_t floats = floats_for(x_.type, static_cast<size_t>(rows_ * units_));
      narrow_gradient_ = build.memory.add(floats, build.backward_time, build.backward_time);
    }
  }

  void prepare_forward() override {
    const bool bias = op_.bias.has_value(), relu = activation_ == Activation::kRelu;
    if (bias || relu) {
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
    if (gradient_.is_wanted()) {
      kernel_gradient_ = required(Matmul::make(context_, context_.side,
                                               {.m = units_,
                                                .n = features_,
                                                .k = rows_,
                                                .transpose_b = true,
                                                .factors = x_.type,
                                                .a = dy(),
                                                .b = x_.data->data,
                                                .d = gradient_.data()}));
    }
    if (x_.gradient == nullptr) return;
    input_gradient_ = required(Matmul::make(context_, context_.main,
                                            {.m = features_,
                                             .n = rows_,
                                             .k = units_,
                                             .transpose_a = true,
                                             .factors = x_.type,
                                             .result = x_.type,
                                             .a = w(),
                                             .b = dy(),
                                             .d = x_.gradient->data}));
  }

  void forward(Mode) override {
    forward_->run(w(), x_.data->data, y_.data->data);
    if (forward_does_all_) return;
    cudaStream_t stream = context_.main.stream.get();
    if (op_.bias && !adds_bias_) {
      add_bias_and_activate(activation_, y_.type, rows_, units_,
                            parameters_.values_of(*op_.bias, y_.type), y_.data->data, stream);
    } else {
      activate(activation_, y_.type, rows_ * units_, y_.data->data, y_.data->data, stream);
    }
  }

  void backward() override {
    bias_gradient_.differentiate();
    if (narrow_gradient_ != nullptr) {
      convert(y_.type, x_.type, rows_ * units_, y_.gradient->data, narrow_gradient_->data,
              context_.main.stream.get());
    }
    context_.fork();
    bias_gradient_.sum();
    if (kernel_gradient_) {
      kernel_gradient_->run(dy(), x_.data->data, gradient_.data());
      gradient_.done(context_.side.stream.get());
    }
    if (input_gradient_) input_gradient_->run(w(), dy(), x_.gradient->data);
    context_.join();
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
    return Matmul::make(context_, context_.main, spec);
  }

  static Matmul required(std::optional<Matmul> matmul) {
    if (!matmul) throw CudaError("cuBLASLt has no algorithm for a plain product");
    return std::move(*matmul);
  }

  const void* w() const { return parameters_.values_of(op_.kernel, x_.type); }
  const void* dy() const {
    return narrow_gradient_ != nullptr ? narrow_gradient_->data : y_.gradient->data;
  }

  const Context& context_;
  const Parameters& parameters_;
  const DenseOp& op_;
  const Activation activation_;
  const Value& x_;
  const Value& y_;
  const int64_t features_, units_, rows_;
  const BiasGradient bias_gradient_;
  const ParameterGradient gradient_;  // of the kernel
  Buffer* narrow_gradient_ = nullptr;
  std::optional<Matmul> forward_, kernel_gradient_, input_gradient_;
  bool forward_does_all_ = false;  // bias and activation included
  bool adds_bias_ = false;
};

}  // namespace

std::unique_ptr<Operation> make_operation(const Build& build, const DenseOp& op) {
  return std::make_unique<Dense>(build, op);
}

}  // namespace sluice::backend::cuda
