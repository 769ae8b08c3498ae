#include "sluice/layers/conv1d.h"

#include "nn/convolution_layer.h"

namespace sluice {

Conv1D::Conv1D(const Conv1DOptions& options) : Layer(options.name), options_(options) {
  nn::check_convolution("Conv1D", options_);
  nn::require_causal_padding({"Conv1D", "padding"}, options_.padding);
  nn::require_groups("Conv1D", options_.groups, options_.filters);
}

std::unique_ptr<Layer> Conv1D::from_config(const Config& config) {
  return std::make_unique<Conv1D>(nn::read_convolution<Conv1DOptions>(config));
}

Config Conv1D::config() const { return nn::write_convolution(options_); }

Shape Conv1D::output_shape(const Shape& input) const {
  return nn::convolution_output(*this, input);
}

std::vector<WeightSpec> Conv1D::weights(const Shape& input) const {
  return nn::convolution_weights(*this, input);
}

void Conv1D::lower(nn::GraphBuilder& builder) const { nn::lower_convolution(builder, *this); }

DepthwiseConv1D::DepthwiseConv1D(const DepthwiseConv1DOptions& options)
    : Layer(options.name), options_(options) {
  nn::check_convolution("DepthwiseConv1D", options_);
  nn::require_padding({"DepthwiseConv1D", "padding"}, options_.padding);
}

std::unique_ptr<Layer> DepthwiseConv1D::from_config(const Config& config) {
  return std::make_unique<DepthwiseConv1D>(nn::read_convolution<DepthwiseConv1DOptions>(config));
}

Config DepthwiseConv1D::config() const { return nn::write_convolution(options_); }

Shape DepthwiseConv1D::output_shape(const Shape& input) const {
  return nn::depthwise_output(*this, input);
}

std::vector<WeightSpec> DepthwiseConv1D::weights(const Shape& input) const {
  return nn::depthwise_weights(*this, input);
}

void DepthwiseConv1D::lower(nn::GraphBuilder& builder) const {
  nn::lower_depthwise(builder, *this);
}

SeparableConv1D::SeparableConv1D(const SeparableConv1DOptions& options)
    : Layer(options.name), options_(options) {
  nn::check_convolution("SeparableConv1D", options_);
  nn::require_padding({"SeparableConv1D", "padding"}, options_.padding);
}

std::unique_ptr<Layer> SeparableConv1D::from_config(const Config& config) {
  return std::make_unique<SeparableConv1D>(nn::read_convolution<SeparableConv1DOptions>(config));
}

Config SeparableConv1D::config() const { return nn::write_convolution(options_); }

Shape SeparableConv1D::output_shape(const Shape& input) const {
  return nn::separable_output(*this, input);
}

std::vector<WeightSpec> SeparableConv1D::weights(const Shape& input) const {
  return nn::separable_weights(*this, input);
}

void SeparableConv1D::lower(nn::GraphBuilder& builder) const {
  nn::lower_separable(builder, *this);
}

Conv1DTranspose::Conv1DTranspose(const Conv1DTransposeOptions& options)
    : Layer(options.name), options_(options) {
  nn::check_convolution("Conv1DTranspose", options_);
  nn::require_padding({"Conv1DTranspose", "padding"}, options_.padding);
  nn::require_output_padding("Conv1DTranspose", options_);
}

std::unique_ptr<Layer> Conv1DTranspose::from_config(const Config& config) {
  return std::make_unique<Conv1DTranspose>(nn::read_convolution<Conv1DTransposeOptions>(config));
}

Config Conv1DTranspose::config() const { return nn::write_convolution(options_); }

Shape Conv1DTranspose::output_shape(const Shape& input) const {
  return nn::transposed_output(*this, input);
}

std::vector<WeightSpec> Conv1DTranspose::weights(const Shape& input) const {
  return nn::transposed_weights(*this, input);
}

void Conv1DTranspose::lower(nn::GraphBuilder& builder) const {
  nn::lower_transposed(builder, *this);
}

}  // namespace sluice
