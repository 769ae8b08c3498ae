#include "backend/cpu/loss.h"

#include <algorithm>

#include "backend/accuracy_rows.h"
#include "backend/batch_losses.h"
#include "backend/cpu/batch_loss.h"
#include "backend/cpu/lanes.h"
#include "backend/loss_rows.h"
#include "backend/validate.h"
#include "loss/traits.h"

namespace sluice::backend::cpu {
namespace {

using loss_rows::Target;
using loss_rows::TargetLayout;

bool is_ignored(const LossSpec& loss, float label) {
  const auto* sparse = std::get_if<SparseCategoricalCrossentropy>(&loss.loss);
  return sparse != nullptr && sparse->ignore_class &&
         label == static_cast<float>(*sparse->ignore_class);
}

// The loss of all rows together, each with its own.
double row_losses(const LossOptions& options, bool by_class, int64_t rows, const float* z,
                  const float* y, float* gradient) {
  const int64_t outputs = options.outputs;
  const LossSpec spec =
      options.activation == Activation::kLinear ? options.loss : loss::of_logits(options.loss);
  const TargetLayout layout(options.positions, by_class ? 1 : outputs, options.weighted);
  int64_t counted = 0;  // rows that have a loss
  for (int64_t n = 0; n < rows; ++n) {
    counted += by_class && is_ignored(spec, y[layout.target(n)]) ? 0 : 1;
  }
  counted = std::max<int64_t>(counted, 1);
  const float scale = options.weight / static_cast<float>(counted);
  double sum = 0;
  for (int64_t n = 0; n < rows; ++n, z += outputs) {
    const float* const row = y + layout.target(n);
    float* const row_gradient = gradient == nullptr ? nullptr : gradient + n * outputs;
    if (by_class && is_ignored(spec, *row)) {
      if (gradient != nullptr) std::fill_n(row_gradient, outputs, 0.0f);
      continue;
    }
    const Target target = by_class ? Target{nullptr, class_number(*row, outputs)} : Target{row, -1};
    const float weight = options.weighted ? y[layout.weight(n)] : 1.0f;
    sum += weight * std::visit(
                        [&]<typename Loss>(const Loss& loss) {
                          if constexpr (batch_losses::kOfBatch<Loss>) {
                            return 0.0f;
                          } else {
                            return loss_rows::loss_of_row(loss, Lanes(), outputs, z, target,
                                                          scale * weight, row_gradient);
                          }
                        },
                        spec.loss);
  }
  return sum * static_cast<double>(rows) / static_cast<double>(counted);
}

}  // namespace

LossSums compute_loss(const LossOptions& options, int64_t rows, const float* z, const float* y,
                      float* gradient, float* scratch) {
  const int64_t outputs = options.outputs;
  const bool by_class = loss::traits_of(options.loss).class_target == loss::ClassTarget::kNumber;
  LossSums sums;
  if (batch_losses::is_of_batch(options.loss)) {
    sums.loss_sum = static_cast<double>(rows) * batch_loss(options, rows, z, y, gradient, scratch);
  } else {
    sums.loss_sum = row_losses(options, by_class, rows, z, y, gradient);
  }
  const TargetLayout layout(options.positions, by_class ? 1 : outputs, options.weighted);
  for (int64_t n = 0; n < rows; ++n) {
    const float* const row = y + layout.target(n);
    const Target target = by_class ? Target{nullptr, static_cast<int64_t>(*row)} : Target{row, -1};
    const bool met =
        accuracy_rows::is_met(Lanes(), options.activation, outputs, z + n * outputs, target);
    sums.correct += met ? 1 : 0;
  }
  return sums;
}

}  // namespace sluice::backend::cpu
