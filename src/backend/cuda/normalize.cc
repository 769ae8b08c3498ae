// Normalization within a sample.
#include <optional>

#include "backend/cuda/operation.h"
#include "backend/cuda/parameter_gradient.h"
#include "backend/normalization.h"

namespace sluice::backend::cuda {
namespace {

class Normalize final : public Operation {
 public:
  Normalize(const Build& build, const NormalizeOp& op)
      : context_(build.context),
        batch_(build.batch),
        x_(build.x()),
        y_(build.y()),
        shape_(normalization_of(op)),
        gamma_(op.gamma ? build.parameters.state_of(*op.gamma) : nullptr),
        beta_(op.beta ? build.parameters.state_of(*op.beta) : nullptr),
        statistics_(build.memory.add(normalization_statistics(shape_, batch_), build.forward_time,
                                     build.backward_time)) {
    if (!build.has_backward()) return;
    gamma_gradient_.emplace(build, 0);
    beta_gradient_.emplace(build, 1);
    if (!gamma_gradient_->is_wanted() && !beta_gradient_->is_wanted()) return;
    partials_ = build.memory.add(normalization_partials(shape_, batch_), build.backward_time,
                                 build.backward_time);
  }

  void forward(Mode) override {
    normalize(shape_, batch_, x_.data->data, gamma_, beta_, statistics_->data, y_.data->data,
              context_.main.stream.get());
  }

  void backward() override {
    cudaStream_t stream = context_.main.stream.get();
    if (x_.gradient != nullptr) {
      normalize_backward(shape_, batch_, x_.data->data, y_.gradient->data, gamma_,
                         statistics_->data, x_.gradient->data, stream);
    }
    if (partials_ == nullptr) return;
    const auto gradient = [](const ParameterGradient& parameter) {
      return parameter.is_wanted() ? parameter.data() : nullptr;
    };
    normalize_weights_backward(shape_, batch_, x_.data->data, y_.gradient->data, statistics_->data,
                               partials_->data, gradient(*gamma_gradient_),
                               gradient(*beta_gradient_), stream);
    for (const auto& parameter : {gamma_gradient_, beta_gradient_}) {
      if (parameter->is_wanted()) parameter->done(stream);
    }
  }

 private:
  const Context& context_;
  const int64_t batch_;
  const Value& x_;
  const Value& y_;
  const NormalizationShape shape_;
  const float* const gamma_;
  const float* const beta_;
  Buffer* const statistics_;
  Buffer* partials_ = nullptr;
  std::optional<ParameterGradient> gamma_gradient_, beta_gradient_;
};

}  // namespace

std::unique_ptr<Operation> make_operation(const Build& build, const NormalizeOp& op) {
  return std::make_unique<Normalize>(build, op);
}

}  // namespace sluice::backend::cuda
