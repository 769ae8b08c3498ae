// Rows of a table by their numbers. The gradient of a row is added up in the order of the batch,
// whatever the threads.
#include <algorithm>
#include <limits>
#include <optional>

#include "backend/cpu/elementwise.h"
#include "backend/cpu/kernel.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/parameter_gradient.h"

namespace sluice::backend::cpu {
namespace {

class Embedding final : public Kernel {
 public:
  Embedding(const Build& build, const EmbeddingOp& op)
      : threads_(build.device.threads),
        parameters_(build.parameters),
        op_(op),
        x_(build.x()),
        y_(build.y()),
        count_(build.batch * x_.shape.size()),
        columns_(y_.shape.dims().back()) {
    if (build.has_backward()) gradient_ = ParameterGradient::if_wanted(build, 0);
  }

  void forward(Mode, uint64_t) override {
    const float* table = parameters_.values_of(op_.table);
    parallel_for(threads_, count_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        float* y = y_.data->data + i * columns_;
        if (const std::optional<int64_t> row = row_of(i)) {
          std::copy_n(table + *row * columns_, columns_, y);
        } else {
          std::fill_n(y, columns_, std::numeric_limits<float>::quiet_NaN());
        }
      }
    });
  }

  void backward(uint64_t) override {
    if (x_.gradient != nullptr) std::fill_n(x_.gradient->data, count_, 0.0f);
    if (!gradient_) return;
    // Each thread has its own rows of the table, and looks through the whole batch for them.
    parallel_for(threads_, op_.rows, 1, [this](int64_t begin, int64_t end) {
      float* table = gradient_->data();
      std::fill(table + begin * columns_, table + end * columns_, 0.0f);
      for (int64_t i = 0; i < count_; ++i) {
        const std::optional<int64_t> row = row_of(i);
        if (!row || *row < begin || *row >= end) continue;
        add(columns_, y_.gradient->data + i * columns_, table + *row * columns_);
      }
    });
    gradient_->done();
  }

 private:
  std::optional<int64_t> row_of(int64_t i) const {
    const float number = x_.data->data[i];
    if (!(number >= 0 && number < static_cast<float>(op_.rows))) return std::nullopt;
    return static_cast<int64_t>(number);
  }

  const int threads_;
  ParameterStore& parameters_;
  const EmbeddingOp& op_;
  const Value& x_;
  const Value& y_;
  const int64_t count_, columns_;
  std::optional<ParameterGradient> gradient_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Build& build, const EmbeddingOp& op) {
  return std::make_unique<Embedding>(build, op);
}

}  // namespace sluice::backend::cpu
