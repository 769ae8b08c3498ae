#include "sluice/layers/noise.h"

#include <fmt/core.h>

#include <cmath>
#include <stdexcept>

#include "nn/graph_builder.h"
#include "nn/noise.h"

namespace sluice {
namespace {

using backend::NoiseOp;

double checked_stddev(const std::optional<double>& stddev) {
  if (!stddev) {
    throw std::invalid_argument("GaussianNoise: stddev: missing; it has no default");
  }
  if (*stddev >= 0 && std::isfinite(static_cast<float>(*stddev))) return *stddev;
  throw std::invalid_argument(
      fmt::format("GaussianNoise: stddev = {}: must be at least 0 and finite", *stddev));
}

}  // namespace

GaussianNoise::GaussianNoise(const GaussianNoiseOptions& options)
    : Layer(options.name), stddev_(checked_stddev(options.stddev)), seed_(options.seed) {}

std::unique_ptr<Layer> GaussianNoise::from_config(const Config& config) {
  nn::require_keys(config, {"stddev"});
  return std::make_unique<GaussianNoise>(
      GaussianNoiseOptions{.stddev = config.get_double("stddev", 0), .seed = nn::get_seed(config)});
}

Config GaussianNoise::config() const {
  return Config().set("stddev", stddev_).set("seed", nn::seed_value(seed_));
}

void GaussianNoise::lower(nn::GraphBuilder& builder) const {
  if (stddev_ == 0) return;
  builder.append(NoiseOp{.kind = NoiseOp::Kind::kGaussianNoise,
                         .strength = static_cast<float>(stddev_),
                         .seed = nn::noise_seed(*this, seed_)},
                 builder.shape());
}

GaussianDropout::GaussianDropout(const GaussianDropoutOptions& options)
    : Layer(options.name),
      rate_(nn::checked_rate("GaussianDropout", options.rate)),
      seed_(options.seed) {}

std::unique_ptr<Layer> GaussianDropout::from_config(const Config& config) {
  nn::require_keys(config, {"rate"});
  return std::make_unique<GaussianDropout>(
      GaussianDropoutOptions{.rate = config.get_double("rate", 0), .seed = nn::get_seed(config)});
}

Config GaussianDropout::config() const {
  return Config().set("rate", rate_).set("seed", nn::seed_value(seed_));
}

void GaussianDropout::lower(nn::GraphBuilder& builder) const {
  if (rate_ == 0) return;
  builder.append(NoiseOp{.kind = NoiseOp::Kind::kGaussianDropout,
                         .strength = static_cast<float>(rate_),
                         .seed = nn::noise_seed(*this, seed_)},
                 builder.shape());
}

AlphaDropout::AlphaDropout(const AlphaDropoutOptions& options)
    : Layer(options.name),
      rate_(nn::checked_rate("AlphaDropout", options.rate)),
      seed_(options.seed),
      noise_shape_(options.noise_shape) {
  nn::require_noise_shape({"AlphaDropout", "noise_shape"}, noise_shape_);
}

std::unique_ptr<Layer> AlphaDropout::from_config(const Config& config) {
  nn::require_keys(config, {"rate"});
  return std::make_unique<AlphaDropout>(
      AlphaDropoutOptions{.rate = config.get_double("rate", 0),
                          .seed = nn::get_seed(config),
                          .noise_shape = config.get_ints("noise_shape", {})});
}

Config AlphaDropout::config() const {
  return Config()
      .set("rate", rate_)
      .set("noise_shape", noise_shape_.empty() ? ConfigValue() : ConfigValue(noise_shape_))
      .set("seed", nn::seed_value(seed_));
}

Shape AlphaDropout::output_shape(const Shape& input) const {
  (void)nn::shared_axes(*this, noise_shape_, input);
  return input;
}

void AlphaDropout::lower(nn::GraphBuilder& builder) const {
  if (rate_ == 0) return;
  builder.append(NoiseOp{.kind = NoiseOp::Kind::kAlphaDropout,
                         .strength = static_cast<float>(rate_),
                         .seed = nn::noise_seed(*this, seed_),
                         .shared = nn::shared_axes(*this, noise_shape_, builder.shape())},
                 builder.shape());
}

}  // namespace sluice
