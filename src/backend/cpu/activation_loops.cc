#include "backend/cpu/activation_loops.h"

#include <algorithm>

#include "backend/activation_formulas.h"
#include "backend/cpu/elementwise.h"
#include "backend/cpu/vector_math.h"
#include "core/simd.h"

namespace sluice::backend::cpu {
namespace {

// Where the kind is known, the formula is nothing but that of the kind.
[[gnu::always_inline]] inline Activation with_kind(Activation f, Activation::Kind kind) {
  f.kind = kind;
  return f;
}

// Elements that stay in the first-level cache, of numbers that are computed as floats.
constexpr int64_t kPiece = 1024;

SLUICE_SIMD void differentiate_relu(int64_t n, const Bfloat16* y, Bfloat16* gradient) {
  for (int64_t i = 0; i < n; ++i) {
    const bool above_zero = static_cast<int16_t>(y[i].bits) > 0;
    gradient[i].bits = above_zero ? gradient[i].bits : uint16_t{0};
  }
}

// 0 where the mask is, also times infinity.
SLUICE_SIMD void differentiate_relu(int64_t n, const float* y, float* gradient) {
  for (int64_t i = 0; i < n; ++i) gradient[i] = y[i] > 0 ? gradient[i] : 0.0f;
}

#define SLUICE_LOOP(Kind)                                     \
  case Activation::Kind: {                                    \
    const Activation known = with_kind(f, Activation::Kind);  \
    for (int64_t i = 0; i < n; ++i) SLUICE_ELEMENT(known, i); \
    return;                                                   \
  }

SLUICE_SIMD void differentiate_from_output(const Activation& f, int64_t n, const float* y,
                                           float* gradient) {
#define SLUICE_ELEMENT(known, i) gradient[i] *= derivative_from_output<VectorMath>(known, y[i])
  switch (f.kind) {
    SLUICE_FOR_EACH_ELEMENTWISE_ACTIVATION(SLUICE_LOOP)
    default:
      return;
  }
#undef SLUICE_ELEMENT
}

}  // namespace

SLUICE_SIMD void activate(const Activation& f, int64_t n, float* data) {
#define SLUICE_ELEMENT(known, i) data[i] = activate<VectorMath>(known, data[i])
  switch (f.kind) {
    SLUICE_FOR_EACH_ELEMENTWISE_ACTIVATION(SLUICE_LOOP)
    default:
      return;
  }
#undef SLUICE_ELEMENT
}

SLUICE_SIMD void differentiate_from_input(const Activation& f, int64_t n, const float* x,
                                          float* gradient) {
#define SLUICE_ELEMENT(known, i) gradient[i] *= derivative_from_input<VectorMath>(known, x[i])
  switch (f.kind) {
    SLUICE_FOR_EACH_ELEMENTWISE_ACTIVATION(SLUICE_LOOP)
    default:
      return;
  }
#undef SLUICE_ELEMENT
}

void activate(const Activation& f, int64_t n, const float* x, float* y) {
  for (int64_t i = 0; i < n; i += kPiece) {
    const int64_t count = std::min(kPiece, n - i);
    std::copy_n(x + i, count, y + i);
    activate(f, count, y + i);
  }
}

void activate(const Activation& f, const Value& y, int64_t begin, int64_t end) {
  if (y.type == Type::kFloat32) {
    return activate(f, end - begin, y.data->data + begin);
  }
  float values[kPiece];
  for (int64_t i = begin; i < end; i += kPiece) {
    const int64_t count = std::min(kPiece, end - i);
    convert(count, y.data->as<Bfloat16>() + i, values);
    activate(f, count, values);
    convert(count, values, y.data->as<Bfloat16>() + i);
  }
}

void differentiate(const Activation& f, int64_t n, const float* y, float* gradient) {
  if (f == Activation::kLinear) return;
  if (f == Activation::kRelu) return differentiate_relu(n, y, gradient);
  differentiate_from_output(f, n, y, gradient);
}

void differentiate(const Activation& f, int64_t n, const Bfloat16* y, Bfloat16* gradient) {
  if (f == Activation::kRelu) return differentiate_relu(n, y, gradient);
  float values[kPiece], gradients[kPiece];
  for (int64_t i = 0; i < n; i += kPiece) {
    const int64_t count = std::min(kPiece, n - i);
    convert(count, y + i, values);
    convert(count, gradient + i, gradients);
    differentiate(f, count, values, gradients);
    convert(count, gradients, gradient + i);
  }
}

void differentiate(const Activation& f, const Value& y, int64_t begin, int64_t end) {
  if (y.type == Type::kFloat32) {
    differentiate(f, end - begin, y.data->data + begin, y.gradient->data + begin);
  } else {
    differentiate(f, end - begin, y.data->as<Bfloat16>() + begin,
                  y.gradient->as<Bfloat16>() + begin);
  }
}

}  // namespace sluice::backend::cpu
