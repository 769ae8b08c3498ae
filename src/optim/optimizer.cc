#include "optim/optimizer.h"

#include <algorithm>

#include "core/check.h"

namespace sluice::optim {

std::vector<SlotSpec> slots_of(const OptimizerSpec& spec) {
  return definition_of(spec).slots(spec);
}

Optimizer::Optimizer(const OptimizerSpec& spec, size_t size)
    : spec_(spec), definition_(&definition_of(spec)), size_(size) {
  validate(spec);
  for (const SlotSpec& slot : definition_->slots(spec)) {
    core::AlignedBuffer values(size_);
    if (slot.initial_value != 0) std::fill_n(values.data(), size_, slot.initial_value);
    slots_.emplace_back(slot.name, std::move(values));
  }
  SLUICE_CHECK(slots_.size() <= kMostSlots) << slots_.size() << " slots";
}

void Optimizer::apply(std::span<float> parameters, std::span<const float> gradients) {
  SLUICE_CHECK(parameters.size() == size_) << parameters.size() << " of " << size_;
  begin_step();
  apply_range(0, parameters, gradients);
}

void Optimizer::begin_step() { step_size_ = definition_->step_size(spec_, ++iterations_); }

void Optimizer::apply_range(size_t offset, std::span<float> parameters,
                            std::span<const float> gradients) {
  SLUICE_CHECK(parameters.size() == gradients.size())
      << parameters.size() << " parameters, " << gradients.size() << " gradients";
  SLUICE_CHECK(offset <= size_ && parameters.size() <= size_ - offset)
      << offset << " + " << parameters.size() << " of " << size_;
  UpdateRange range{parameters.size(), parameters.data(), gradients.data(), {}};
  for (size_t i = 0; i < slots_.size(); ++i) range.slots[i] = slots_[i].second.data() + offset;
  definition_->update(spec_, step_size_, range);
}

std::vector<std::pair<std::string, std::span<const float>>> Optimizer::slots() const {
  std::vector<std::pair<std::string, std::span<const float>>> views;
  for (const auto& [name, values] : slots_) views.emplace_back(name, values.span());
  return views;
}

}  // namespace sluice::optim
