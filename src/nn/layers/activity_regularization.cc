#include "sluice/layers/activity_regularization.h"

#include <cmath>

#include "nn/arguments.h"
#include "nn/graph_builder.h"

namespace sluice {

ActivityRegularization::ActivityRegularization(const ActivityRegularizationOptions& options)
    : Layer(options.name), l1_(options.l1), l2_(options.l2) {
  const auto check = [](const char* name, double factor) {
    if (factor >= 0 && std::isfinite(static_cast<float>(factor))) return;
    nn::refuse_number({"ActivityRegularization", name}, factor, "must be finite and at least 0");
  };
  check("l1", l1_);
  check("l2", l2_);
}

std::unique_ptr<Layer> ActivityRegularization::from_config(const Config& config) {
  return std::make_unique<ActivityRegularization>(ActivityRegularizationOptions{
      .l1 = config.get_double("l1", 0), .l2 = config.get_double("l2", 0)});
}

void ActivityRegularization::lower(nn::GraphBuilder& builder) const {
  builder.add_activity_penalty({.l1 = static_cast<float>(l1_), .l2 = static_cast<float>(l2_)});
}

}  // namespace sluice
