// What has a kernel of its own in float32: activations that no operation before them could take
// along, softmax inside a model; and changes of type.
#include "backend/cuda/operation.h"

namespace sluice::backend::cuda {
namespace {

int64_t size_of_output(const Build& build) { return build.batch * build.y().shape.size(); }

class Elementwise final : public Operation {
 public:
  Elementwise(const Build& build, const Activation& activation)
      : context_(build.context),
        activation_(activation),
        x_(build.x()),
        y_(build.y()),
        size_(size_of_output(build)) {}

  void forward(Mode) override {
    activate(activation_, y_.type, size_, x_.data->data, y_.data->data, context_.main.stream.get());
  }

  void backward() override {
    if (x_.gradient == nullptr) return;
    const bool from_output = activation_.is_differentiable_from_output();
    const auto compute = from_output ? differentiate : differentiate_from_input;
    compute(activation_, y_.type, size_, (from_output ? y_ : x_).data->data, y_.gradient->data,
            x_.gradient->data, context_.main.stream.get());
  }

 private:
  const Context& context_;
  const Activation activation_;
  const Value& x_;
  const Value& y_;
  const int64_t size_;
};

// And its logarithm.
class Softmax final : public Operation {
 public:
  Softmax(const Build& build, const ActivationOp& op)
      : context_(build.context),
        log_(op.activation == Activation::kLogSoftmax),
        batch_(build.batch),
        x_(build.x()),
        y_(build.y()),
        rows_(softmax_rows(op, x_.shape)) {}

  void forward(Mode) override {
    softmax(log_, batch_, rows_, x_.data->data, y_.data->data, context_.main.stream.get());
  }

  void backward() override {
    if (x_.gradient == nullptr) return;
    softmax_backward(log_, batch_, rows_, y_.data->data, y_.gradient->data, x_.gradient->data,
                     context_.main.stream.get());
  }

 private:
  const Context& context_;
  const bool log_;
  const int64_t batch_;
  const Value& x_;
  const Value& y_;
  const SoftmaxRows rows_;
};

class Cast final : public Operation {
 public:
  explicit Cast(const Build& build)
      : context_(build.context), x_(build.x()), y_(build.y()), size_(size_of_output(build)) {}

  void forward(Mode) override {
    convert(x_.type, y_.type, size_, x_.data->data, y_.data->data, context_.main.stream.get());
  }

  void backward() override {
    if (x_.gradient == nullptr) return;
    convert(y_.type, x_.type, size_, y_.gradient->data, x_.gradient->data,
            context_.main.stream.get());
  }

 private:
  const Context& context_;
  const Value& x_;
  const Value& y_;
  const int64_t size_;
};

}  // namespace

std::unique_ptr<Operation> make_operation(const Build& build, const ActivationOp& op) {
  if (op.activation.is_elementwise()) return std::make_unique<Elementwise>(build, op.activation);
  return std::make_unique<Softmax>(build, op);
}

std::unique_ptr<Operation> make_cast(const Build& build) { return std::make_unique<Cast>(build); }

}  // namespace sluice::backend::cuda
