// Activation functions over arrays, vectorised. They run on the calling thread. None of them is
// softmax.
#pragma once

#include <cstdint>

#include "backend/type.h"
#include "backend/values.h"

namespace sluice::backend::cpu {

// data = f(data).
void activate(const Activation& f, int64_t n, float* data);
// y = f(x).
void activate(const Activation& f, int64_t n, const float* x, float* y);
// The first for the elements [begin, end) of `y`.
void activate(const Activation& f, const Value& y, int64_t begin, int64_t end);

// gradient *= f'(x), from y = f(x), of an f that is_differentiable_from_output(). Linear does
// nothing.
void differentiate(const Activation& f, int64_t n, const float* y, float* gradient);
void differentiate(const Activation& f, int64_t n, const Bfloat16* y, Bfloat16* gradient);
// The same for the elements [begin, end) of `y` and its gradient.
void differentiate(const Activation& f, const Value& y, int64_t begin, int64_t end);

// gradient *= f'(x), from x, of an f of the others.
void differentiate_from_input(const Activation& f, int64_t n, const float* x, float* gradient);

}  // namespace sluice::backend::cpu
