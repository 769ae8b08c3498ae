#include "formats/keras_optimizer.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "core/process_info.h"
#include "formats/keras_layers.h"
#include "optim/optimizer.h"
#include "sluice/errors.h"

namespace sluice::formats {
namespace {

using Kind = OptimizerVariable::Kind;

bool is_variable_by_variable(const std::string& optimizer) {
  constexpr std::string_view kNames[] = {"adam", "adamw", "adamax", "nadam", "adadelta", "ftrl"};
  return std::ranges::find(kNames, optimizer) != std::end(kNames);
}

bool fits(const OptimizerVariable& expected, const Hdf5Array& stored) {
  if (stored.space.is_empty) return false;
  if (expected.kind == Kind::kIterations && stored.type.kind != Hdf5Type::Kind::kInteger) {
    return false;
  }
  return expected.variable == nullptr ? stored.space.sizes.empty()
                                      : stored.space.sizes == expected.variable->shape.dims();
}

bool fit(const std::vector<OptimizerVariable>& expected,
         const std::vector<const Hdf5Array*>& stored) {
  return std::ranges::equal(expected, stored,
                            [](const OptimizerVariable& variable, const Hdf5Array* array) {
                              return fits(variable, *array);
                            });
}

// Of a model that was compiled and never trained Keras writes nothing more than these two.
bool has_never_stepped(Hdf5Reader& file, const std::vector<const Hdf5Array*>& stored) {
  constexpr OptimizerVariable kIterations{.kind = Kind::kIterations};
  constexpr OptimizerVariable kRate{.kind = Kind::kLearningRate};
  return (stored.size() == 1 || (stored.size() == 2 && fits(kRate, *stored[1]))) &&
         fits(kIterations, *stored[0]) && file.read_integer(*stored[0]) == 0;
}

// As they are before the first step.
std::vector<std::pair<std::string, std::vector<float>>> fresh_slots(const OptimizerSpec& optimizer,
                                                                    size_t size) {
  std::vector<std::pair<std::string, std::vector<float>>> slots;
  for (const optim::SlotSpec& slot : optim::slots_of(optimizer)) {
    slots.emplace_back(slot.name, std::vector<float>(size, slot.initial_value));
  }
  return slots;
}

}  // namespace

std::vector<OptimizerVariable> optimizer_variables(const OptimizerSpec& optimizer,
                                                   const Model& model, KerasVersion version) {
  const Variables trained = trained_variables(model);
  const std::vector<optim::SlotSpec> slots = optim::slots_of(optimizer);
  std::vector<OptimizerVariable> list = {{.kind = Kind::kIterations}};
  if (version == KerasVersion::k3 && optimizer.learning_rate.schedule.empty()) {
    list.push_back({.kind = Kind::kLearningRate});
  }
  const auto add_for_all = [&](Kind kind, size_t slot) {
    for (const core::Variable* variable : trained) list.push_back({kind, slot, variable});
  };
  size_t slot = 0;
  if (optimizer.use_ema) add_for_all(Kind::kSlot, slot++);
  size_t together = slot;  // up to this slot, variable by variable
  if (is_variable_by_variable(optimizer.name)) together = std::min(slot + 2, slots.size());
  for (const core::Variable* variable : trained) {
    for (size_t s = slot; s < together; ++s) list.push_back({Kind::kSlot, s, variable});
  }
  for (size_t s = together; s < slots.size(); ++s) add_for_all(Kind::kSlot, s);
  if (version == KerasVersion::k3 && optimizer.name == "nadam") {
    list.push_back({.kind = Kind::kProduct});
  }
  if (version == KerasVersion::k2 && optimizer.name == "sgd" &&
      optimizer.hyperparameters.at("momentum") == 0) {
    add_for_all(Kind::kUnused, 0);
  }
  return list;
}

void read_optimizer_state(Hdf5Reader& file, const std::vector<const Hdf5Array*>& stored,
                          const Model& model, nn::TrainingState& training) {
  std::vector<OptimizerVariable> expected =
      optimizer_variables(training.optimizer, model, KerasVersion::k3);
  if (!fit(expected, stored)) {
    expected = optimizer_variables(training.optimizer, model, KerasVersion::k2);
    if (!fit(expected, stored)) {
      if (has_never_stepped(file, stored)) return;
      throw RuntimeError(
          fmt::format("has {} variables of its optimizer, which are not what {} has for this model",
                      stored.size(), training.optimizer.name));
    }
  }
  const size_t slots = optim::slots_of(training.optimizer).size();
  const double needed = static_cast<double>(slots * sizeof(float) * model.count_params());
  const auto available = static_cast<double>(core::usable_memory_bytes());
  if (needed > available / 2) {
    throw RuntimeError(fmt::format("has {} of optimizer's variables, which memory has no room for",
                                   core::memory_text(needed)));
  }
  training.optimizer_state.slots = fresh_slots(training.optimizer, model.count_params());
  for (size_t i = 0; i < expected.size(); ++i) {
    const OptimizerVariable& own = expected[i];
    if (own.kind == Kind::kIterations) {
      training.optimizer_state.iterations = file.read_integer(*stored[i]);
    } else if (own.kind == Kind::kLearningRate) {
      float rate = 0;
      file.read(*stored[i], {&rate, 1});
      training.optimizer.learning_rate.number = rate;
    } else if (own.kind == Kind::kSlot) {
      const std::span<float> all = training.optimizer_state.slots[own.slot].second;
      file.read(*stored[i], all.subspan(own.variable->offset, own.variable->size()));
    }
  }
  if (training.optimizer_state.iterations < 0)
    throw RuntimeError("has an optimizer of less than 0 steps");
  optim::validate(training.optimizer);
}

float nadam_product(const OptimizerSpec& optimizer, int64_t iterations) {
  constexpr int64_t kConstantAfter = 1000;  // 0.96^1000 = 2e-18
  const double beta_1 = optimizer.hyperparameters.at("beta_1");
  const int64_t changing = std::min(iterations, kConstantAfter);
  double product = 1;
  for (int64_t t = 1; t <= changing; ++t) {
    product *= beta_1 * (1 - 0.5 * std::pow(0.96, static_cast<double>(t)));
  }
  return static_cast<float>(product * std::pow(beta_1, static_cast<double>(iterations - changing)));
}

}  // namespace sluice::formats
