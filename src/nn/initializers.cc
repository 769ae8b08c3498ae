#include "nn/initializers.h"

#include <algorithm>
#include <cmath>

namespace sluice::nn {
namespace {

using Distribution = Initializer::Distribution;
using Mode = Initializer::Mode;

constexpr Initializer kInitializers[] = {
    {"glorot_uniform", "GlorotUniform", Distribution::kUniform, 1, Mode::kFanAverage},
    {"glorot_normal", "GlorotNormal", Distribution::kTruncatedNormal, 1, Mode::kFanAverage},
    {"he_uniform", "HeUniform", Distribution::kUniform, 2, Mode::kFanIn},
    {"he_normal", "HeNormal", Distribution::kTruncatedNormal, 2, Mode::kFanIn},
    {"lecun_uniform", "LecunUniform", Distribution::kUniform, 1, Mode::kFanIn},
    {"lecun_normal", "LecunNormal", Distribution::kTruncatedNormal, 1, Mode::kFanIn},
    {"random_uniform", "RandomUniform", Distribution::kRange, 0.05, Mode::kFanIn},
    {"zeros", "Zeros", Distribution::kConstant, 0, Mode::kFanIn},
    {"ones", "Ones", Distribution::kConstant, 1, Mode::kFanIn},
};

// Standard deviation of a standard normal distribution that is cut at -2 and 2.
constexpr double kTruncatedDeviation = 0.87962566103423978;

float truncated_normal(core::Rng& rng) {
  for (;;) {
    const float value = rng.normal();
    if (std::abs(value) <= 2) return value;
  }
}

}  // namespace

Fans compute_fans(const Shape& shape) {
  if (shape.rank() == 0) return {};
  const auto last = static_cast<double>(shape[shape.rank() - 1]);
  if (shape.rank() == 1) return {last, last};
  double receptive = 1;
  for (int axis = 0; axis < shape.rank() - 2; ++axis) {
    receptive *= static_cast<double>(shape[axis]);
  }
  return {static_cast<double>(shape[shape.rank() - 2]) * receptive, last * receptive};
}

void Initializer::fill(const Shape& shape, core::Rng& rng, std::span<float> values) const {
  if (distribution == Distribution::kConstant) {
    std::fill(values.begin(), values.end(), static_cast<float>(scale));
    return;
  }
  if (distribution == Distribution::kRange) {
    const auto limit = static_cast<float>(scale);
    for (float& value : values) value = rng.uniform(-limit, limit);
    return;
  }
  const Fans fans = compute_fans(shape);
  const double n = mode == Mode::kFanIn ? fans.in : (fans.in + fans.out) / 2;
  const double variance = scale / std::max(1.0, n);
  if (distribution == Distribution::kUniform) {
    const auto limit = static_cast<float>(std::sqrt(3 * variance));
    for (float& value : values) value = rng.uniform(-limit, limit);
  } else {
    const auto deviation = static_cast<float>(std::sqrt(variance) / kTruncatedDeviation);
    for (float& value : values) value = deviation * truncated_normal(rng);
  }
}

const Initializer* find_initializer(std::string_view name) {
  if (name == "zero") name = "zeros";
  if (name == "one") name = "ones";
  if (name == "uniform") name = "random_uniform";
  for (const Initializer& initializer : kInitializers) {
    if (name == initializer.name || name == initializer.keras_class) return &initializer;
  }
  return nullptr;
}

const Initializer* find_variance_scaling(double scale, std::string_view mode,
                                         std::string_view distribution) {
  const bool uniform = distribution == "uniform";
  if (!uniform && distribution != "normal" && distribution != "truncated_normal") return nullptr;
  if (mode != "fan_in" && mode != "fan_avg") return nullptr;
  for (const Initializer& initializer : kInitializers) {
    if (initializer.distribution == Distribution::kConstant ||
        initializer.distribution == Distribution::kRange) {
      continue;
    }
    if (uniform == (initializer.distribution == Distribution::kUniform) &&
        (mode == "fan_in") == (initializer.mode == Mode::kFanIn) && scale == initializer.scale) {
      return &initializer;
    }
  }
  return nullptr;
}

std::string initializer_names() {
  std::string names;
  for (const Initializer& initializer : kInitializers) {
    if (!names.empty()) names += ", ";
    names += initializer.name;
  }
  return names;
}

}  // namespace sluice::nn
