// Elementwise arithmetic on several inputs of one shape, with an activation behind it.
#include "backend/cuda/operation.h"

namespace sluice::backend::cuda {
namespace {

class Merge final : public Operation {
 public:
  Merge(const Build& build, MergeOp::Kind kind)
      : context_(build.context),
        kind_(kind),
        activation_(build.step.activation),
        values_(build.values),
        size_(build.batch * build.y().shape.size()) {}

  void forward(Mode) override {
    merge(kind_, activation_, inputs(), size_, values_.y.data->data, context_.main.stream.get());
  }

  // The activation in the place of y's gradient, which inputs may share.
  void backward() override {
    if (activation_ != Activation::kLinear && !values_.y.is_differentiated) {
      float* const dy = values_.y.gradient->data;
      differentiate(activation_, Type::kFloat32, size_, values_.y.data->data, dy, dy,
                    context_.main.stream.get());
    }
    for (size_t i = 0; i < values_.x.size(); ++i) {
      if (values_.x[i].gradient == nullptr) continue;
      merge_backward(kind_, inputs(), static_cast<int>(i), size_, values_.y.data->data,
                     values_.y.gradient->data, values_.x[i].gradient->data,
                     context_.main.stream.get());
    }
  }

 private:
  MergeInputs inputs() const {
    MergeInputs inputs;
    for (const Value& x : values_.x) inputs.x[inputs.count++] = x.data->data;
    return inputs;
  }

  const Context& context_;
  const MergeOp::Kind kind_;
  const Activation activation_;
  const StepValues& values_;
  const int64_t size_;
};

}  // namespace

std::unique_ptr<Operation> make_operation(const Build& build, const MergeOp& op) {
  return std::make_unique<Merge>(build, op.kind);
}

}  // namespace sluice::backend::cuda
