#include "backend/cpu/batch_loss.h"

#include <algorithm>

#include "backend/batch_losses.h"
#include "backend/cpu/lanes.h"

namespace sluice::backend::cpu {
namespace {

using batch_losses::Groups;
using batch_losses::Ratio;
using loss_rows::TargetLayout;

// Calls use(place in z, place in y) for each element of a group.
template <typename Use>
void for_each_of(const Groups& all, const TargetLayout& layout, int64_t group, const Use& use) {
  const auto [sample, position, output] = all.place(group, 0);
  const int64_t samples = all.kept.samples ? sample + 1 : all.samples;
  const int64_t positions = all.kept.positions ? position + 1 : all.positions;
  const int64_t outputs = all.kept.outputs ? output + 1 : all.outputs;
  for (int64_t n = sample; n < samples; ++n) {
    for (int64_t t = position; t < positions; ++t) {
      const int64_t row = n * all.positions + t;
      for (int64_t k = output; k < outputs; ++k) {
        use(row * all.outputs + k, layout.target(row) + k);
      }
    }
  }
}

double overlap_loss(const Ratio& ratio, const LossOptions& options, int64_t rows, const float* z,
                    const float* y, float* gradient) {
  const Groups groups{rows / options.positions, options.positions, options.outputs, options.kept};
  const TargetLayout layout(options.positions, options.outputs, options.weighted);
  const auto weight_of = [&](int64_t sample) {
    return options.weighted ? y[layout.weight(sample * options.positions)] : 1.0f;
  };
  double weight = 0;  // the samples' mean
  for (int64_t n = 0; n < groups.samples; ++n) weight += weight_of(n);
  weight /= static_cast<double>(groups.samples);
  const auto count = static_cast<double>(groups.count());
  double sum = 0;
  for (int64_t group = 0; group < groups.count(); ++group) {
    batch_losses::Overlap sums;
    for_each_of(groups, layout, group, [&](int64_t i, int64_t j) { sums.add(y[j], z[i]); });
    const batch_losses::GroupLoss loss = loss_of_group(ratio, sums);
    if (groups.kept.samples) weight = weight_of(groups.place(group, 0).sample);
    sum += weight * loss.loss;
    if (gradient == nullptr) continue;
    const double scale = options.weight * weight / count;
    const auto by_target = static_cast<float>(scale * loss.by_target);
    const auto constant = static_cast<float>(scale * loss.constant);
    for_each_of(groups, layout, group,
                [&](int64_t i, int64_t j) { gradient[i] = by_target * y[j] + constant; });
  }
  return sum / count;
}

double circle_loss(const Circle& loss, const LossOptions& options, int64_t samples, const float* z,
                   const float* y, float* gradient, float* products) {
  const int64_t size = options.outputs;
  const TargetLayout layout(1, 1, options.weighted);
  const auto label = [&](int64_t n) { return y[layout.target(n)]; };
  if (gradient != nullptr) std::fill_n(gradient, samples * size, 0.0f);
  double sum = 0;
  int64_t counted = 0;
  for (int64_t i = 0; i < samples; ++i) {
    const ConstRow own(z + i * size, size);
    for (int64_t j = 0; j < samples; ++j) {
      products[j] = (own * ConstRow(z + j * size, size)).sum();
    }
    const float weight = options.weighted ? y[layout.weight(i)] : 1.0f;
    const float row_loss = batch_losses::circle_of_row(loss, Lanes(), samples, i, label,
                                                       options.weight * weight, products);
    sum += weight * row_loss;
    counted += row_loss == 0 ? 0 : 1;
    if (gradient == nullptr || row_loss == 0) continue;
    for (int64_t j = 0; j < samples; ++j) {
      Row(gradient + i * size, size) += products[j] * ConstRow(z + j * size, size);
      Row(gradient + j * size, size) += products[j] * own;
    }
  }
  const auto divisor = static_cast<float>(std::max<int64_t>(counted, 1));
  if (gradient != nullptr) Row(gradient, samples * size) /= divisor;
  return sum / divisor;
}

}  // namespace

double batch_loss(const LossOptions& options, int64_t rows, const float* z, const float* y,
                  float* gradient, float* scratch) {
  return std::visit(
      [&]<typename Loss>(const Loss& loss) -> double {
        if constexpr (std::is_same_v<Loss, Circle>) {
          return circle_loss(loss, options, rows, z, y, gradient, scratch);
        } else if constexpr (batch_losses::kOfBatch<Loss>) {
          return overlap_loss(batch_losses::ratio_of(loss), options, rows, z, y, gradient);
        } else {
          return 0;
        }
      },
      options.loss.loss);
}

}  // namespace sluice::backend::cpu
