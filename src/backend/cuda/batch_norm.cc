// Batch normalization, with a ReLU behind it.
#include <optional>

#include "backend/cuda/operation.h"
#include "backend/cuda/parameter_gradient.h"

namespace sluice::backend::cuda {
namespace {

class BatchNorm final : public Operation {
 public:
  BatchNorm(const Build& build, const BatchNormOp& op)
      : context_(build.context),
        op_(op),
        rehearsing_(build.rehearsing),
        x_(build.x()),
        y_(build.y()),
        moving_{.mean = value(build, op.mean),
                .variance = value(build, op.variance),
                .gamma = op.gamma ? value(build, *op.gamma) : nullptr,
                .beta = op.beta ? value(build, *op.beta) : nullptr} {
    shape_.channels = x_.shape.dims().back();
    shape_.rows = build.batch * x_.shape.size() / shape_.channels;
    shape_.epsilon = static_cast<float>(op.epsilon);
    shape_.relu = build.step.activation == Activation::kRelu;
    shape_.frozen = op.frozen;
    const auto channels = static_cast<size_t>(shape_.channels);
    if (!op.frozen) {
      mean_ = build.memory.add(channels, build.forward_time, build.backward_time);
      variance_ = build.memory.add(channels, build.forward_time, build.backward_time);
    }
    partials_ =
        build.memory.add(batch_norm_partials(shape_), build.forward_time, build.backward_time);
    if (!build.has_backward()) return;
    gamma_gradient_.emplace(build, 0);
    beta_gradient_.emplace(build, 1);
  }

  void forward(Mode mode) override {
    cudaStream_t stream = context_.main.stream.get();
    if (mode == Mode::kInference || op_.frozen) {
      return batch_normalize(shape_, x_.type, moving_, x_.data->data, y_.data->data, stream);
    }
    const bool moves = !rehearsing_;
    batch_statistics(shape_, x_.type, x_.data->data, op_.momentum, partials_->data, mean_->data,
                     variance_->data, moves ? moving_.mean : nullptr,
                     moves ? moving_.variance : nullptr, stream);
    batch_normalize(shape_, x_.type, of_batch(), x_.data->data, y_.data->data, stream);
  }

  void backward() override {
    cudaStream_t stream = context_.main.stream.get();
    const auto gradient = [](const ParameterGradient& parameter) {
      return parameter.is_wanted() ? parameter.data() : nullptr;
    };
    batch_norm_backward(shape_, x_.type, op_.frozen ? moving_ : of_batch(), x_.data->data,
                        y_.data->data, y_.gradient->data, partials_->data,
                        gradient(*gamma_gradient_), gradient(*beta_gradient_),
                        x_.gradient != nullptr ? x_.gradient->data : nullptr, stream);
    for (const auto& parameter : {gamma_gradient_, beta_gradient_}) {
      if (parameter->is_wanted()) parameter->done(stream);
    }
  }

 private:
  static float* value(const Build& build, const ParameterSlice& slice) {
    return build.parameters.state_of(slice);
  }

  BatchNormParameters of_batch() const {
    BatchNormParameters parameters = moving_;
    parameters.mean = mean_->data;
    parameters.variance = variance_->data;
    return parameters;
  }

  const Context& context_;
  const BatchNormOp& op_;
  const bool& rehearsing_;
  const Value& x_;
  const Value& y_;
  const BatchNormParameters moving_;
  BatchNormShape shape_;
  Buffer* mean_ = nullptr;  // of the batch
  Buffer* variance_ = nullptr;
  Buffer* partials_ = nullptr;
  std::optional<ParameterGradient> gamma_gradient_, beta_gradient_;
};

}  // namespace

std::unique_ptr<Operation> make_operation(const Build& build, const BatchNormOp& op) {
  return std::make_unique<BatchNorm>(build, op);
}

}  // namespace sluice::backend::cuda
