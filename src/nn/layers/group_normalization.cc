#include "sluice/layers/group_normalization.h"

#include <fmt/core.h>

#include "nn/graph_builder.h"
#include "nn/sample_normalization.h"

namespace sluice {

GroupNormalization::GroupNormalization(const GroupNormalizationOptions& options)
    : Layer(options.name), options_(options) {
  if (options_.groups != -1 && options_.groups < 1) {
    nn::refuse_number({"GroupNormalization", "groups"}, static_cast<double>(options_.groups),
                      "must be at least 1, or -1 for each channel by itself");
  }
  nn::require_epsilon({"GroupNormalization", "epsilon"}, options_.epsilon);
  nn::check_gamma_and_beta("GroupNormalization", options_);
}

std::unique_ptr<Layer> GroupNormalization::from_config(const Config& config) {
  GroupNormalizationOptions options;
  options.groups = config.get_int("groups", options.groups);
  options.axis = config.get_int("axis", options.axis);
  options.epsilon = config.get_double("epsilon", options.epsilon);
  nn::read_gamma_and_beta(config, options);
  return std::make_unique<GroupNormalization>(options);
}

Config GroupNormalization::config() const {
  return nn::write_gamma_and_beta(Config()
                                      .set("groups", options_.groups)
                                      .set("axis", options_.axis)
                                      .set("epsilon", options_.epsilon),
                                  options_);
}

Shape GroupNormalization::output_shape(const Shape& input) const {
  const int64_t channels = input[nn::axis_of(*this, options_.axis, input)];
  if (options_.groups > 0 && channels % options_.groups != 0) {
    nn::throw_shape_error(
        *this, fmt::format("channels that {} groups divide, not {},", options_.groups, channels),
        input);
  }
  return input;
}

std::vector<WeightSpec> GroupNormalization::weights(const Shape& input) const {
  return nn::gamma_and_beta(options_, {input[nn::axis_of(*this, options_.axis, input)]});
}

void GroupNormalization::lower(nn::GraphBuilder& builder) const {
  const Shape& shape = builder.shape();
  backend::NormalizeOp op{.epsilon = options_.epsilon};
  if (options_.scale) op.gamma = builder.parameter("gamma");
  if (options_.center) op.beta = builder.parameter("beta");
  const bool weighted = op.gamma || op.beta;
  const int channels = nn::axis_of(*this, options_.axis, shape);
  for (int k = 0; k < shape.rank(); ++k) {
    if (k != channels) {
      op.view.push_back({.size = shape[k], .normalized = true});
      continue;
    }
    const int64_t groups = options_.groups == -1 ? shape[k] : options_.groups;
    op.view.push_back({.size = groups, .weighted = weighted});
    op.view.push_back({.size = shape[k] / groups, .normalized = true, .weighted = weighted});
  }
  builder.append(op, shape);
}

}  // namespace sluice
