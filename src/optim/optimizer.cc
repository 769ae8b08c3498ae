#include "optim/optimizer.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/check.h"
#include "optim/update_loops.h"

namespace sluice::optim {

float one_minus(float value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  double decimal = value;
  std::from_chars(text, end, decimal);
  return static_cast<float>(1.0 - decimal);
}

std::vector<SlotSpec> slots_of(const OptimizerSpec& spec) {
  std::vector<SlotSpec> slots;
  if (spec.name == "sgd") {
    if (spec.momentum > 0) slots.push_back({"momentum", 0});
  } else if (spec.name == "rmsprop") {
    slots.push_back({"velocity", 0});
    if (spec.momentum > 0) slots.push_back({"momentum", 0});
    if (spec.centered) slots.push_back({"average_gradient", 0});
  } else if (spec.name == "adagrad") {
    slots.push_back({"accumulator", spec.initial_accumulator_value});
  } else {
    slots.push_back({"momentum", 0});
    slots.push_back({"velocity", 0});
  }
  return slots;
}

Optimizer::Optimizer(const OptimizerSpec& spec, size_t size) : spec_(spec), size_(size) {
  validate(spec);
  for (const SlotSpec& slot : slots_of(spec)) {
    core::AlignedBuffer values(size_);
    if (slot.initial_value != 0) std::fill_n(values.data(), size_, slot.initial_value);
    slots_.emplace_back(slot.name, std::move(values));
  }
}

void Optimizer::apply(std::span<float> parameters, std::span<const float> gradients) {
  SLUICE_CHECK(parameters.size() == size_) << parameters.size() << " of " << size_;
  begin_step();
  apply_range(0, parameters, gradients);
}

void Optimizer::begin_step() {
  ++iterations_;
  if (spec_.name != "adam") return;
  const auto t = static_cast<double>(iterations_);
  const double beta_1_power = std::pow(static_cast<double>(spec_.beta_1), t);
  const double beta_2_power = std::pow(static_cast<double>(spec_.beta_2), t);
  step_size_ = static_cast<float>(static_cast<double>(spec_.learning_rate) *
                                  std::sqrt(1 - beta_2_power) / (1 - beta_1_power));
}

void Optimizer::apply_range(size_t offset, std::span<float> parameters,
                            std::span<const float> gradients) {
  SLUICE_CHECK(parameters.size() == gradients.size())
      << parameters.size() << " parameters, " << gradients.size() << " gradients";
  SLUICE_CHECK(offset <= size_ && parameters.size() <= size_ - offset)
      << offset << " + " << parameters.size() << " of " << size_;
  const UpdateRange range{parameters.size(), parameters.data(), gradients.data()};
  const auto slot = [&](size_t i) { return slots_[i].second.data() + offset; };
  if (spec_.name == "sgd") {
    if (slots_.empty()) {
      sgd_update(range, spec_.learning_rate);
    } else if (spec_.nesterov) {
      sgd_nesterov_update(range, slot(0), spec_.learning_rate, spec_.momentum);
    } else {
      sgd_momentum_update(range, slot(0), spec_.learning_rate, spec_.momentum);
    }
  } else if (spec_.name == "rmsprop") {
    float* momentum = spec_.momentum > 0 ? slot(1) : nullptr;
    float* average = spec_.centered ? slot(slots_.size() - 1) : nullptr;
    rmsprop_update(
        range, slot(0), momentum, average,
        {spec_.learning_rate, spec_.rho, one_minus(spec_.rho), spec_.momentum, spec_.epsilon});
  } else if (spec_.name == "adagrad") {
    adagrad_update(range, slot(0), spec_.learning_rate, spec_.epsilon);
  } else {
    adam_update(range, slot(0), slot(1),
                {step_size_, one_minus(spec_.beta_1), one_minus(spec_.beta_2), spec_.epsilon});
  }
}

std::vector<std::pair<std::string, std::span<float>>> Optimizer::slots() {
  std::vector<std::pair<std::string, std::span<float>>> views;
  for (auto& [name, values] : slots_) views.emplace_back(name, values.span());
  return views;
}

}  // namespace sluice::optim
