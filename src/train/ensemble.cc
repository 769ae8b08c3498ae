#include "train/ensemble.h"

#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "backend/graph.h"
#include "core/parameter_set.h"
#include "core/rng.h"
#include "nn/model_impl.h"
#include "nn/nested_model.h"
#include "sluice/layers.h"
#include "train/job_config.h"

namespace sluice::train {
namespace {

Model renamed(const Model& model, const std::string& name) {
  Model copy = model;
  copy.impl().name = name;
  copy.impl().called = nullptr;  // it had the name before
  return copy;
}

// Whether `model` is one of those, with its parameters where the p-th of them has its own.
bool is_the(int64_t p, const Model& model, const Model& first, const core::ParameterLayout& all) {
  const std::string name = first.name();
  if (renamed(model, name).to_json() != first.to_json()) return false;
  const auto& variables = model.parameters().layout().variables();
  const size_t count = variables.size(), begin = static_cast<size_t>(p) * count;
  const size_t offset = static_cast<size_t>(p) * model.count_params();
  if (all.variables().size() < begin + count) return false;
  for (size_t i = 0; i < count; ++i) {
    const core::Variable& its = all.variables()[begin + i];
    if (its.offset != offset + variables[i].offset || its.shape != variables[i].shape) return false;
  }
  return true;
}

}  // namespace

Model combine(const Model& model, int64_t count, uint64_t seed) {
  constexpr auto kMost = static_cast<int64_t>(backend::MergeOp::kMostInputs);
  if (count < 1 || count > kMost) {
    throw InvalidField("workers", fmt::format("an ensemble has a model for each partition (workers "
                                              "times parallelism_factor), 1 to {}, got {}",
                                              kMost, count));
  }
  std::vector<SymbolicTensor> inputs, outputs;
  const Model::Impl& impl = model.impl();
  for (const auto& input : impl.inputs) inputs.push_back(Input(input.shape, {.name = input.name}));
  for (int64_t i = 0; i < count; ++i) {
    Model copy = renamed(model, fmt::format("model_{}", i + 1));
    if (i > 0) copy.initialize(core::Rng(seed, {static_cast<uint64_t>(i)}).next());
    outputs.push_back(copy(inputs));
  }
  Model combined(inputs, {count == 1 ? outputs.front() : Average()(outputs)},
                 model.name() + "_ensemble");
  combined.set_preprocessing(model.preprocessing());
  combined.impl().training = impl.training;
  return combined;
}

Model one_of(const Model& combined, int64_t count) {
  const auto& layers = combined.layers();
  const core::ParameterLayout& all = combined.parameters().layout();
  std::vector<const Model*> models;
  for (const auto& layer : layers) {
    const auto* nested = dynamic_cast<const nn::NestedModel*>(layer.get());
    if (nested != nullptr) models.push_back(&nested->model());
  }
  bool fits = count > 0 && std::ssize(models) == count &&
              std::ssize(layers) == count + (count > 1 ? 1 : 0) &&
              (count == 1 || layers.back()->class_name() == "Average") &&
              all.size() == static_cast<size_t>(count) * models.front()->count_params();
  for (int64_t p = 0; fits && p < count; ++p) {
    fits = is_the(p, *models[static_cast<size_t>(p)], *models.front(), all);
  }
  if (fits) return *models.front();
  throw InvalidField("model", fmt::format("\"{}\" is not the mean of {} models, one for each "
                                          "partition, as Ensemble::combine() makes it",
                                          combined.name(), count));
}

}  // namespace sluice::train
