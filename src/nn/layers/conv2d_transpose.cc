#include "sluice/layers/conv2d_transpose.h"

#include "nn/convolution_layer.h"

namespace sluice {

Conv2DTranspose::Conv2DTranspose(const Conv2DTransposeOptions& options)
    : Layer(options.name), options_(options) {
  nn::check_convolution("Conv2DTranspose", options_);
  nn::require_padding({"Conv2DTranspose", "padding"}, options_.padding);
  nn::require_output_padding("Conv2DTranspose", options_);
}

std::unique_ptr<Layer> Conv2DTranspose::from_config(const Config& config) {
  return std::make_unique<Conv2DTranspose>(nn::read_convolution<Conv2DTransposeOptions>(config));
}

Config Conv2DTranspose::config() const { return nn::write_convolution(options_); }

Shape Conv2DTranspose::output_shape(const Shape& input) const {
  return nn::transposed_output(*this, input);
}

std::vector<WeightSpec> Conv2DTranspose::weights(const Shape& input) const {
  return nn::transposed_weights(*this, input);
}

void Conv2DTranspose::lower(nn::GraphBuilder& builder) const {
  nn::lower_transposed(builder, *this);
}

}  // namespace sluice
