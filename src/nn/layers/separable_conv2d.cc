#include "sluice/layers/separable_conv2d.h"

#include "nn/convolution_layer.h"

namespace sluice {

SeparableConv2D::SeparableConv2D(const SeparableConv2DOptions& options)
    : Layer(options.name), options_(options) {
  nn::check_convolution("SeparableConv2D", options_);
  nn::require_padding({"SeparableConv2D", "padding"}, options_.padding);
}

std::unique_ptr<Layer> SeparableConv2D::from_config(const Config& config) {
  return std::make_unique<SeparableConv2D>(nn::read_convolution<SeparableConv2DOptions>(config));
}

Config SeparableConv2D::config() const { return nn::write_convolution(options_); }

Shape SeparableConv2D::output_shape(const Shape& input) const {
  return nn::separable_output(*this, input);
}

std::vector<WeightSpec> SeparableConv2D::weights(const Shape& input) const {
  return nn::separable_weights(*this, input);
}

void SeparableConv2D::lower(nn::GraphBuilder& builder) const {
  nn::lower_separable(builder, *this);
}

}  // namespace sluice
