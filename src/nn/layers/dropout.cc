#include "sluice/layers/dropout.h"

#include <sstream>
#include <stdexcept>
#include <utility>

#include "core/rng.h"
#include "nn/arguments.h"
#include "nn/graph_builder.h"

namespace sluice {

namespace {

DropoutOptions with_rate(double rate, DropoutOptions options) {
  if (options.rate) {
    throw std::invalid_argument("Dropout: rate: given twice; leave one of them out");
  }
  options.rate = rate;
  return options;
}

double checked_rate(const DropoutOptions& options) {
  if (!options.rate) throw std::invalid_argument("Dropout: rate: missing; it has no default");
  const double rate = *options.rate;
  if (rate >= 0 && static_cast<float>(rate) < 1) return rate;
  std::ostringstream message;
  message << "Dropout: rate = " << rate << ": must be at least 0 and less than 1";
  throw std::invalid_argument(message.str());
}

}  // namespace

Dropout::Dropout(const DropoutOptions& options)
    : Layer(options.name), rate_(checked_rate(options)), seed_(options.seed) {}

Dropout::Dropout(double rate, const DropoutOptions& options) : Dropout(with_rate(rate, options)) {}

std::unique_ptr<Layer> Dropout::from_config(const Config& config) {
  nn::require_keys(config, {"rate"});
  DropoutOptions options;
  if (const ConfigValue* seed = config.find("seed");
      seed != nullptr && !std::holds_alternative<std::monostate>(*seed)) {
    options.seed = config.get_int("seed", 0);
  }
  return std::make_unique<Dropout>(config.get_double("rate", 0), options);
}

Config Dropout::config() const {
  Config config;
  config.set("rate", rate_).set("noise_shape", {});
  if (seed_) return config.set("seed", *seed_);
  return config.set("seed", {});
}

void Dropout::lower(nn::GraphBuilder& builder) const {
  if (rate_ == 0) return;
  const uint64_t seed =
      seed_ ? static_cast<uint64_t>(*seed_) : core::stream_of(name().data(), name().size());
  builder.append(backend::DropoutOp{static_cast<float>(rate_), seed}, builder.shape());
}

}  // namespace sluice
