#include "sluice/layers/permute.h"

#include <fmt/core.h>

#include <algorithm>
#include <stdexcept>

#include "nn/arguments.h"
#include "nn/graph_builder.h"

namespace sluice {

Permute::Permute(const PermuteOptions& options) : Layer(options.name), dims_(options.dims) {
  std::vector<int64_t> sorted = dims_;
  std::ranges::sort(sorted);
  bool valid = !sorted.empty() && sorted.size() <= backend::RearrangeOp::kMostAxes;
  for (size_t i = 0; i < sorted.size(); ++i) {
    valid = valid && sorted[i] == static_cast<int64_t>(i) + 1;
  }
  if (valid) return;
  throw std::invalid_argument(
      fmt::format("Permute: dims = {}: must be the numbers from 1 to that of the axes, at most {}, "
                  "in any order",
                  Shape(dims_).to_string(), backend::RearrangeOp::kMostAxes));
}

std::unique_ptr<Layer> Permute::from_config(const Config& config) {
  nn::require_keys(config, {"dims"});
  return std::make_unique<Permute>(PermuteOptions{.dims = config.get_ints("dims", {})});
}

Config Permute::config() const { return Config().set("dims", dims_); }

Shape Permute::output_shape(const Shape& input) const {
  nn::require_rank(*this, static_cast<int>(dims_.size()), input);
  std::vector<int64_t> sizes;
  for (const int64_t axis : dims_) sizes.push_back(input[static_cast<int>(axis) - 1]);
  return Shape(sizes);
}

void Permute::lower(nn::GraphBuilder& builder) const {
  backend::RearrangeOp op;
  for (const int64_t axis : dims_) op.axes.push_back({.from = static_cast<int>(axis) - 1});
  builder.append(std::move(op), output_shape(builder.shape()));
}

}  // namespace sluice
