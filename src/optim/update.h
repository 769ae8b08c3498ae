// The loops of a step on the CPU: one pass over memory for each block of elements.
#pragma once

#include <array>
#include <cstddef>

#include "optim/rules.h"

namespace sluice::optim {

inline constexpr size_t kMostSlots = 3;

// Pointers to the first of `size` elements; none overlaps another.
struct UpdateRange {
  size_t size = 0;
  float* w = nullptr;                      // parameters
  const float* g = nullptr;                // gradients
  std::array<float*, kMostSlots> slots{};  // the rule's; the rest is nullptr
  float* averages = nullptr;               // nullptr: none are kept
};

void update(const Rule& rule, const Preparation& preparation, const StepFactors& step,
            const UpdateRange& range);

// What update() does behind the rule where averages are kept.
void update_averages(StepFactors step, size_t size, float* w, float* averages);

}  // namespace sluice::optim
