// Rows of a table by their numbers.
#include <optional>

#include "backend/cuda/operation.h"
#include "backend/cuda/parameter_gradient.h"

namespace sluice::backend::cuda {
namespace {

class Embedding final : public Operation {
 public:
  Embedding(const Build& build, const EmbeddingOp& op)
      : context_(build.context),
        parameters_(build.parameters),
        op_(op),
        x_(build.x()),
        y_(build.y()),
        count_(build.batch * x_.shape.size()),
        columns_(y_.shape.dims().back()) {
    if (build.has_backward()) gradient_.emplace(build, 0);
  }

  void forward(Mode) override {
    const void* table = parameters_.values_of(op_.table, Type::kFloat32);
    gather_rows(count_, op_.rows, columns_, x_.data->data, static_cast<const float*>(table),
                y_.data->data, context_.main.stream.get());
  }

  void backward() override {
    cudaStream_t stream = context_.main.stream.get();
    if (x_.gradient != nullptr) {
      SLUICE_CHECKED(cudaMemsetAsync(x_.gradient->data, 0,
                                     static_cast<size_t>(count_) * sizeof(float), stream));
    }
    if (!gradient_->is_wanted()) return;
    scatter_rows(count_, op_.rows, columns_, x_.data->data, y_.gradient->data, gradient_->data(),
                 stream);
    gradient_->done(stream);
  }

 private:
  const Context& context_;
  const Parameters& parameters_;
  const EmbeddingOp& op_;
  const Value& x_;
  const Value& y_;
  const int64_t count_, columns_;
  std::optional<ParameterGradient> gradient_;
};

}  // namespace

std::unique_ptr<Operation> make_operation(const Build& build, const EmbeddingOp& op) {
  return std::make_unique<Embedding>(build, op);
}

}  // namespace sluice::backend::cuda
