// What has a kernel of its own in float32: activations that no operation before them could take
// along, softmax inside a model; and changes of type.
#include "backend/cuda/operation.h"

namespace sluice::backend::cuda {
namespace {

int64_t size_of_output(const Build& build) { return build.batch * build.y().shape.size(); }

class Elementwise final : public Operation {
 public:
  Elementwise(const Build& build, Activation activation)
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
    differentiate(activation_, y_.type, size_, y_.data->data, y_.gradient->data, x_.gradient->data,
                  context_.main.stream.get());
  }

 private:
  const Context& context_;
  const Activation activation_;
  const Value& x_;
  const Value& y_;
  const int64_t size_;
};

class Softmax final : public Operation {
 public:
  explicit Softmax(const Build& build)
      : context_(build.context),
        x_(build.x()),
        y_(build.y()),
        classes_(x_.shape.dims().back()),
        rows_(size_of_output(build) / classes_) {}

  void forward(Mode) override {
    softmax(rows_, classes_, x_.data->data, y_.data->data, context_.main.stream.get());
  }

  void backward() override {
    if (x_.gradient == nullptr) return;
    softmax_backward(rows_, classes_, y_.data->data, y_.gradient->data, x_.gradient->data,
                     context_.main.stream.get());
  }

 private:
  const Context& context_;
  const Value& x_;
  const Value& y_;
  const int64_t classes_, rows_;
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
  if (op.activation == Activation::kSoftmax) return std::make_unique<Softmax>(build);
  return std::make_unique<Elementwise>(build, op.activation);
}

std::unique_ptr<Operation> make_cast(const Build& build) { return std::make_unique<Cast>(build); }

}  // namespace sluice::backend::cuda
