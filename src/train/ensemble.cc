#include "train/ensemble.h"

#include <fmt/core.h>

#include <algorithm>
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

// Whether nobody has trained the weights, nor read them from a file.
bool are_as_drawn(const Model& model) {
  Model drawn = model;
  drawn.initialize(model.impl().seed);
  return std::ranges::equal(drawn.parameters().values(), model.parameters().values());
}

// The name, unless an input has it: then with as many "_" as it takes.
std::string free_name(std::string name, const Model::Impl& impl) {
  const auto is_taken = [&](const auto& input) { return input.name == name; };
  while (std::ranges::any_of(impl.inputs, is_taken)) name += "_";
  return name;
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
  const bool draws = are_as_drawn(model);
  for (int64_t i = 0; i < count; ++i) {
    Model copy = renamed(model, free_name(fmt::format("model_{}", i + 1), impl));
    if (i > 0 && draws) copy.initialize(core::Rng(seed, {static_cast<uint64_t>(i)}).next());
    outputs.push_back(copy(inputs));
  }
  const Average mean({.name = free_name("average", impl)});
  Model combined(inputs, {count == 1 ? outputs.front() : mean(outputs)},
                 model.name() + "_ensemble");
  combined.set_preprocessing(model.preprocessing());
  combined.impl().training = impl.training;
  return combined;
}

bool is_combined(const Model& model, int64_t count) {
  const auto& layers = model.layers();
  const core::ParameterLayout& all = model.parameters().layout();
  if (count < 1 || std::ssize(layers) != count + (count > 1 ? 1 : 0)) return false;
  if (count > 1 && layers.back()->class_name() != "Average") return false;
  const Model* first = nullptr;
  for (int64_t p = 0; p < count; ++p) {
    const auto* nested = dynamic_cast<const nn::NestedModel*>(layers[static_cast<size_t>(p)].get());
    if (nested == nullptr) return false;
    if (first == nullptr) first = &nested->model();
    if (!is_the(p, nested->model(), *first, all)) return false;
  }
  return all.size() == static_cast<size_t>(count) * first->count_params();
}

Model one_of(const Model& combined, int64_t count) {
  if (is_combined(combined, count)) {
    return dynamic_cast<const nn::NestedModel&>(*combined.layers().front()).model();
  }
  throw InvalidField("model", fmt::format("\"{}\" is not the mean of {} models, one for each "
                                          "partition, as Ensemble::combine() makes it",
                                          combined.name(), count));
}

}  // namespace sluice::train
