#include "optim/optimizer.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/check.h"
#include "optim/schedule.h"

namespace sluice::optim {

std::vector<SlotSpec> slots_of(const OptimizerSpec& spec) {
  std::vector<SlotSpec> slots = definition_of(spec).slots(spec);
  if (spec.use_ema) slots.insert(slots.begin(), {"average"});
  return slots;
}

Preparation preparation_of(const OptimizerSpec& spec) {
  Preparation preparation{.is_needed = spec.clipvalue > 0 || spec.weight_decay > 0};
  if (spec.clipvalue > 0) preparation.most = spec.clipvalue;
  return preparation;
}

StepFactors factors_of(const OptimizerSpec& spec, int64_t step) {
  StepFactors factors = average_factors_of(spec, step - 1, 1);
  const double learning_rate = rate_at(spec.learning_rate, step - 1);
  definition_of(spec).set_factors(spec, step, learning_rate, factors);
  factors.decay = static_cast<float>(static_cast<double>(spec.weight_decay) * learning_rate);
  return factors;
}

StepFactors average_factors_of(const OptimizerSpec& spec, int64_t before, int64_t steps) {
  StepFactors factors;
  const double kept = std::pow(spec.ema_momentum, static_cast<double>(steps));
  factors.keep = before == 0 ? 0 : static_cast<float>(kept);
  const int64_t every = spec.ema_overwrite_frequency;
  const bool overwrites = spec.use_ema && every > 0 && (before + steps) / every > before / every;
  factors.overwrite = overwrites ? 1 : 0;
  return factors;
}

namespace {

const OptimizerSpec& valid(const OptimizerSpec& spec) {
  validate(spec);
  return spec;
}

}  // namespace

Optimizer::Optimizer(const OptimizerSpec& spec, size_t size, std::vector<ParameterRange> undecayed)
    : spec_(valid(spec)),
      rule_(definition_of(spec).rule(spec)),
      preparation_(preparation_of(spec)),
      undecayed_(spec.weight_decay > 0 ? std::move(undecayed) : std::vector<ParameterRange>()),
      size_(size) {
  for (const SlotSpec& slot : slots_of(spec)) {
    core::AlignedBuffer values(size_);
    if (slot.initial_value != 0) std::fill_n(values.data(), size_, slot.initial_value);
    slots_.emplace_back(slot.name, std::move(values));
  }
  SLUICE_CHECK(slots_.size() <= kMostSlots + spec.use_ema) << slots_.size() << " slots";
}

void Optimizer::set_learning_rate(float rate) {
  if (spec_.learning_rate == LearningRate(rate)) return;
  OptimizerSpec changed = spec_;
  changed.learning_rate = rate;
  validate(changed);
  spec_ = std::move(changed);
}

void Optimizer::apply(std::span<float> parameters, std::span<const float> gradients) {
  SLUICE_CHECK(parameters.size() == size_) << parameters.size() << " of " << size_;
  begin_step();
  apply_range(0, parameters, gradients);
}

void Optimizer::begin_step() {
  factors_ = factors_of(spec_, iterations_ + 1);
  ++iterations_;
}

void Optimizer::apply_range(size_t offset, std::span<float> parameters,
                            std::span<const float> gradients) noexcept {
  SLUICE_CHECK(parameters.size() == gradients.size())
      << parameters.size() << " parameters, " << gradients.size() << " gradients";
  SLUICE_CHECK(offset <= size_ && parameters.size() <= size_ - offset)
      << offset << " + " << parameters.size() << " of " << size_;
  const auto step = [&](const StepFactors& factors, size_t at, size_t n) {
    UpdateRange range{.size = n, .w = &parameters[at], .g = &gradients[at]};
    const size_t own = spec_.use_ema ? 1 : 0;
    if (spec_.use_ema) range.averages = slots_[0].second.data() + offset + at;
    for (size_t i = own; i < slots_.size(); ++i) {
      range.slots[i - own] = slots_[i].second.data() + offset + at;
    }
    update(rule_, preparation_, factors, range);
  };
  StepFactors without_decay = factors_;
  without_decay.decay = 0;
  for_each_piece(
      undecayed_, offset, parameters.size(), [&](size_t at, size_t n) { step(factors_, at, n); },
      [&](size_t at, size_t n) { step(without_decay, at, n); });
}

std::vector<std::pair<std::string, std::span<const float>>> Optimizer::slots() const {
  std::vector<std::pair<std::string, std::span<const float>>> views;
  for (const auto& [name, values] : slots_) views.emplace_back(name, values.span());
  return views;
}

void validate(const OptimizerState& state, const OptimizerSpec& spec, size_t size) {
  if (state.iterations < 0) {
    throw std::invalid_argument(
        fmt::format("optimizer state: of {} steps; expected at least 0", state.iterations));
  }
  if (state.slots.empty()) return;
  const std::vector<SlotSpec> expected = slots_of(spec);
  if (state.slots.size() != expected.size()) {
    throw std::invalid_argument(fmt::format("optimizer state: {} slots, {} has {}",
                                            state.slots.size(), spec.name, expected.size()));
  }
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto& [name, values] = state.slots[i];
    if (name == expected[i].name && values.size() == size) continue;
    throw std::invalid_argument(
        fmt::format("optimizer state: slot \"{}\" of {} floats, {} has \"{}\" of {}", name,
                    values.size(), spec.name, expected[i].name, size));
  }
}

OptimizerState Optimizer::state() const {
  OptimizerState state{.iterations = iterations_};
  for (const auto& [name, values] : slots_) {
    state.slots.emplace_back(name, std::vector<float>(values.span().begin(), values.span().end()));
  }
  return state;
}

void Optimizer::restore(const OptimizerState& state) {
  validate(state, spec_, size_);
  const std::vector<std::span<const float>> slots = [&] {
    std::vector<std::span<const float>> views;
    for (const auto& [name, values] : state.slots) views.emplace_back(values);
    return views;
  }();
  restore(state.iterations, slots);
}

void Optimizer::restore(int64_t iterations, std::span<const std::span<const float>> slots) {
  SLUICE_CHECK(slots.empty() || slots.size() == slots_.size()) << slots.size() << " slots";
  iterations_ = iterations;
  for (size_t i = 0; i < slots.size(); ++i) {
    SLUICE_CHECK(slots[i].size() == size_) << slots[i].size() << " of " << size_;
    std::ranges::copy(slots[i], slots_[i].second.data());
  }
}

std::span<const float> Optimizer::averages() const {
  return spec_.use_ema && iterations_ > 0 ? slots_[0].second.span() : std::span<const float>();
}

}  // namespace sluice::optim
