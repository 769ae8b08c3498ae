#include "sluice/layers/conv2d.h"

#include "nn/convolution_layer.h"

namespace sluice {

Conv2D::Conv2D(const Conv2DOptions& options) : Layer(options.name), options_(options) {
  nn::check_convolution("Conv2D", options_);
  nn::require_padding({"Conv2D", "padding"}, options_.padding);
  nn::require_groups("Conv2D", options_.groups, options_.filters);
}

std::unique_ptr<Layer> Conv2D::from_config(const Config& config) {
  return std::make_unique<Conv2D>(nn::read_convolution<Conv2DOptions>(config));
}

Config Conv2D::config() const { return nn::write_convolution(options_); }

Shape Conv2D::output_shape(const Shape& input) const {
  return nn::convolution_output(*this, input);
}

std::vector<WeightSpec> Conv2D::weights(const Shape& input) const {
  return nn::convolution_weights(*this, input);
}

void Conv2D::lower(nn::GraphBuilder& builder) const { nn::lower_convolution(builder, *this); }

}  // namespace sluice
