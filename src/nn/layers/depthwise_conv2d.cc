#include "sluice/layers/depthwise_conv2d.h"

#include "nn/convolution_layer.h"

namespace sluice {

DepthwiseConv2D::DepthwiseConv2D(const DepthwiseConv2DOptions& options)
    : Layer(options.name), options_(options) {
  nn::check_convolution("DepthwiseConv2D", options_);
  nn::require_padding({"DepthwiseConv2D", "padding"}, options_.padding);
}

std::unique_ptr<Layer> DepthwiseConv2D::from_config(const Config& config) {
  return std::make_unique<DepthwiseConv2D>(nn::read_convolution<DepthwiseConv2DOptions>(config));
}

Config DepthwiseConv2D::config() const { return nn::write_convolution(options_); }

Shape DepthwiseConv2D::output_shape(const Shape& input) const {
  return nn::depthwise_output(*this, input);
}

std::vector<WeightSpec> DepthwiseConv2D::weights(const Shape& input) const {
  return nn::depthwise_weights(*this, input);
}

void DepthwiseConv2D::lower(nn::GraphBuilder& builder) const {
  nn::lower_depthwise(builder, *this);
}

}  // namespace sluice
