#include "sluice/layers/dense.h"

#include "nn/arguments.h"
#include "nn/graph_builder.h"
#include "nn/kernel_layer.h"

namespace sluice {

Dense::Dense(const DenseOptions& options) : Layer(options.name), options_(options) {
  nn::require_size({"Dense", "units"}, options_.units);
  nn::check_kernel_options("Dense", options_);
}

std::unique_ptr<Layer> Dense::from_config(const Config& config) {
  nn::require_keys(config, {"units"});
  DenseOptions options;
  options.units = config.get_int("units", 0);
  nn::read_kernel_options(config, options);
  return std::make_unique<Dense>(options);
}

Config Dense::config() const {
  return nn::write_kernel_options(Config().set("units", options_.units), options_);
}

Shape Dense::output_shape(const Shape& input) const {
  if (input.rank() < 1) {
    nn::throw_shape_error(*this, "an input of rank 1 or more (without the batch)", input);
  }
  std::vector<int64_t> sizes = input.dims();
  sizes.back() = options_.units;
  return Shape(std::move(sizes));
}

std::vector<WeightSpec> Dense::weights(const Shape& input) const {
  const int64_t features = input[input.rank() - 1];
  return nn::with_bias({nn::weight_of(options_, "kernel", "kernel", {features, options_.units})},
                       options_, options_.units);
}

void Dense::lower(nn::GraphBuilder& builder) const {
  backend::DenseOp op{.kernel = builder.parameter("kernel")};
  if (options_.use_bias) op.bias = builder.parameter("bias");
  builder.append(op, output_shape(builder.shape()));
  nn::append_kernel_activation(builder, *this);
}

}  // namespace sluice
