#include "sluice/layers/dropout.h"

#include <stdexcept>
#include <utility>

#include "nn/graph_builder.h"
#include "nn/noise.h"

namespace sluice {
namespace {

DropoutOptions with_rate(double rate, DropoutOptions options) {
  if (options.rate) {
    throw std::invalid_argument("Dropout: rate: given twice; leave one of them out");
  }
  options.rate = rate;
  return options;
}

void append_dropout(nn::GraphBuilder& builder, double rate, uint64_t seed,
                    std::vector<bool> shared) {
  if (rate == 0) return;
  builder.append(backend::NoiseOp{.kind = backend::NoiseOp::Kind::kDropout,
                                  .strength = static_cast<float>(rate),
                                  .seed = seed,
                                  .shared = std::move(shared)},
                 builder.shape());
}

SpatialDropoutOptions spatial_options(const Config& config) {
  nn::require_keys(config, {"rate"});
  return {.rate = config.get_double("rate", 0), .seed = nn::get_seed(config)};
}

}  // namespace

Dropout::Dropout(const DropoutOptions& options)
    : Layer(options.name),
      rate_(nn::checked_rate("Dropout", options.rate)),
      seed_(options.seed),
      noise_shape_(options.noise_shape) {
  nn::require_noise_shape({"Dropout", "noise_shape"}, noise_shape_);
}

Dropout::Dropout(double rate, const DropoutOptions& options) : Dropout(with_rate(rate, options)) {}

std::unique_ptr<Layer> Dropout::from_config(const Config& config) {
  nn::require_keys(config, {"rate"});
  return std::make_unique<Dropout>(
      DropoutOptions{.rate = config.get_double("rate", 0),
                     .seed = nn::get_seed(config),
                     .noise_shape = config.get_ints("noise_shape", {})});
}

Config Dropout::config() const {
  return Config()
      .set("rate", rate_)
      .set("noise_shape", noise_shape_.empty() ? ConfigValue() : ConfigValue(noise_shape_))
      .set("seed", nn::seed_value(seed_));
}

Shape Dropout::output_shape(const Shape& input) const {
  (void)nn::shared_axes(*this, noise_shape_, input);
  return input;
}

void Dropout::lower(nn::GraphBuilder& builder) const {
  append_dropout(builder, rate_, nn::noise_seed(*this, seed_),
                 nn::shared_axes(*this, noise_shape_, builder.shape()));
}

SpatialDropout1D::SpatialDropout1D(const SpatialDropoutOptions& options)
    : Layer(options.name),
      rate_(nn::checked_rate("SpatialDropout1D", options.rate)),
      seed_(options.seed) {}

std::unique_ptr<Layer> SpatialDropout1D::from_config(const Config& config) {
  return std::make_unique<SpatialDropout1D>(spatial_options(config));
}

Config SpatialDropout1D::config() const {
  return Config().set("rate", rate_).set("seed", nn::seed_value(seed_));
}

Shape SpatialDropout1D::output_shape(const Shape& input) const {
  nn::require_rank(*this, 2, input);
  return input;
}

void SpatialDropout1D::lower(nn::GraphBuilder& builder) const {
  append_dropout(builder, rate_, nn::noise_seed(*this, seed_), {false, true, false});
}

SpatialDropout2D::SpatialDropout2D(const SpatialDropoutOptions& options)
    : Layer(options.name),
      rate_(nn::checked_rate("SpatialDropout2D", options.rate)),
      seed_(options.seed) {}

std::unique_ptr<Layer> SpatialDropout2D::from_config(const Config& config) {
  return std::make_unique<SpatialDropout2D>(spatial_options(config));
}

Config SpatialDropout2D::config() const {
  return Config().set("rate", rate_).set("seed", nn::seed_value(seed_));
}

Shape SpatialDropout2D::output_shape(const Shape& input) const {
  nn::require_rank(*this, 3, input);
  return input;
}

void SpatialDropout2D::lower(nn::GraphBuilder& builder) const {
  append_dropout(builder, rate_, nn::noise_seed(*this, seed_), {false, true, true, false});
}

}  // namespace sluice
