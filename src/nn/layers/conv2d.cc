#include "sluice/layers/conv2d.h"

#include "nn/arguments.h"
#include "nn/graph_builder.h"
#include "nn/kernel_layer.h"
#include "nn/window2d.h"

namespace sluice {
namespace {

nn::Windows2D windows_of(const Conv2DOptions& options) {
  return {options.kernel_size, options.strides, options.padding};
}

}  // namespace

Conv2D::Conv2D(const Conv2DOptions& options) : Layer(options.name), options_(options) {
  nn::require_size({"Conv2D", "filters"}, options_.filters);
  nn::require_size({"Conv2D", "kernel_size"}, options_.kernel_size);
  nn::require_size({"Conv2D", "strides"}, options_.strides);
  nn::require_padding({"Conv2D", "padding"}, options_.padding);
  nn::check_kernel_options("Conv2D", options_);
}

std::unique_ptr<Layer> Conv2D::from_config(const Config& config) {
  nn::require_keys(config, {"filters", "kernel_size"});
  Conv2DOptions options;
  options.filters = config.get_int("filters", 0);
  options.kernel_size = nn::get_size2d(config, "kernel_size", 0);
  options.strides = nn::get_size2d(config, "strides", options.strides);
  options.padding = config.get_string("padding", options.padding);
  nn::read_kernel_options(config, options);
  return std::make_unique<Conv2D>(options);
}

Config Conv2D::config() const {
  Config config;
  config.set("filters", options_.filters)
      .set("kernel_size", nn::to_list(options_.kernel_size))
      .set("strides", nn::to_list(options_.strides))
      .set("padding", options_.padding)
      .set("data_format", "channels_last")
      .set("dilation_rate", std::vector<int64_t>{1, 1})
      .set("groups", int64_t{1});
  return nn::write_kernel_options(std::move(config), options_);
}

Shape Conv2D::output_shape(const Shape& input) const {
  return nn::window_output(*this, windows_of(options_), input, options_.filters);
}

std::vector<WeightSpec> Conv2D::weights(const Shape& input) const {
  const int64_t channels = nn::image_channels(*this, input);
  const Size2D& size = options_.kernel_size;
  return nn::kernel_weights(options_, {size.h, size.w, channels, options_.filters});
}

void Conv2D::lower(nn::GraphBuilder& builder) const {
  backend::Conv2DOp op;
  op.kernel_h = options_.kernel_size.h;
  op.kernel_w = options_.kernel_size.w;
  op.stride_h = options_.strides.h;
  op.stride_w = options_.strides.w;
  op.padding = nn::window_padding(windows_of(options_), builder.shape());
  nn::append_kernel_op(builder, *this, op);
}

}  // namespace sluice
