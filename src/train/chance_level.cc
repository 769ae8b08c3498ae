#include "train/chance_level.h"

#include <algorithm>
#include <cmath>
#include <variant>

namespace sluice::train {
namespace {

using show::ChanceLevel;

// A loss without a meaning of its own would be said to be no better than guessing.
constexpr double kNoLoss = 1e-6;

double weight(std::span<const float> weights, size_t record) {
  return weights.empty() ? 1.0 : static_cast<double>(weights[record]);
}

ChanceLevel of_classes(const data::Records& records, std::span<const float> class_weights) {
  const auto labels = records.labels();
  const auto n = static_cast<double>(labels.size());
  std::vector<double> shares(static_cast<size_t>(records.info().classes));
  std::vector<double> counts(shares.size());
  double total = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto k = static_cast<size_t>(labels[i]);
    const double a = weight(records.targets().weights, i) * weight(class_weights, k) / n;
    shares[k] += a;
    total += a;
    counts[k] += 1 / n;
  }
  double loss = 0;
  for (const double share : shares) {
    if (share > 0) loss -= share * std::log(share / total);
  }
  return {loss, *std::ranges::max_element(counts)};
}

ChanceLevel of_numbers(const data::Records& records) {
  const auto values = records.targets().values;
  const auto width = static_cast<size_t>(records.info().values);
  std::vector<double> mean(width);
  double total = 0;
  for (size_t i = 0; i < values.size() / width; ++i) {
    const double a = weight(records.targets().weights, i);
    total += a;
    // Updated one by one, so that large numbers cost no precision.
    for (size_t k = 0; total > 0 && k < width; ++k) {
      mean[k] += a / total * (static_cast<double>(values[i * width + k]) - mean[k]);
    }
  }
  double sum = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double off = static_cast<double>(values[i]) - mean[i % width];
    sum += weight(records.targets().weights, i / width) * off * off;
  }
  return {sum / static_cast<double>(values.size()), 1};
}

// Of class numbers, and with nothing but their frequencies in it.
bool is_plain_crossentropy(const LossSpec& spec, int64_t outputs) {
  if (const auto* of_all = std::get_if<CategoricalCrossentropy>(&spec.loss)) {
    return of_all->label_smoothing == 0 && outputs > 1;
  }
  if (const auto* sparse = std::get_if<SparseCategoricalCrossentropy>(&spec.loss)) {
    return !sparse->ignore_class;
  }
  const auto* binary = std::get_if<BinaryCrossentropy>(&spec.loss);
  return binary != nullptr && binary->label_smoothing == 0 && outputs == 1;
}

std::optional<ChanceLevel> level(const backend::Graph& graph, const data::Records& records,
                                 std::span<const float> class_weights) {
  const backend::GraphOutput& output = graph.outputs.front();
  const Shape& shape = graph.values[output.value];
  if (shape.rank() != 1 || output.weight != 1) return std::nullopt;
  if (records.info().classes > 0) {
    if (!is_plain_crossentropy(output.loss, shape.size())) return std::nullopt;
    return of_classes(records, class_weights);
  }
  const bool is_mse = std::holds_alternative<MeanSquaredError>(output.loss.loss);
  if (!is_mse || shape.size() != records.info().values) return std::nullopt;
  return of_numbers(records);
}

}  // namespace

std::optional<ChanceLevel> chance_level(const backend::Graph& graph, const data::Records& records,
                                        std::span<const float> class_weights) {
  const bool penalized =
      std::ranges::any_of(graph.weight_rules, &backend::WeightRule::is_penalized) ||
      !graph.activity_penalties.empty();
  if (penalized || graph.outputs.size() != 1 || records.info().records == 0) return std::nullopt;
  std::optional<ChanceLevel> found = level(graph, records, class_weights);
  if (!found || found->loss <= kNoLoss) return std::nullopt;
  found->records = records.info().records;
  return found;
}

}  // namespace sluice::train
