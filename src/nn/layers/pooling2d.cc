#include "sluice/layers/pooling2d.h"

#include "nn/arguments.h"
#include "nn/graph_builder.h"
#include "nn/window2d.h"

namespace sluice {
namespace {

nn::Windows2D windows_of(const Pooling2DOptions& options) {
  return {options.pool_size, options.strides, options.padding};
}

void append_pooling(nn::GraphBuilder& builder, const Pooling2D& layer,
                    backend::Pool2DOp::Kind kind) {
  const Pooling2DOptions& options = layer.options();
  backend::Pool2DOp op;
  op.kind = kind;
  op.pool_h = options.pool_size.h;
  op.pool_w = options.pool_size.w;
  op.stride_h = options.strides.h;
  op.stride_w = options.strides.w;
  op.padding = nn::window_padding(windows_of(options), builder.shape());
  builder.append(op, layer.output_shape(builder.shape()));
}

}  // namespace

Pooling2D::Pooling2D(const char* class_name, const Pooling2DOptions& options)
    : Layer(options.name), options_(options) {
  nn::require_size({class_name, "pool_size"}, options_.pool_size);
  if (options_.strides == Size2D(0)) options_.strides = options_.pool_size;
  nn::require_size({class_name, "strides"}, options_.strides);
  nn::require_padding({class_name, "padding"}, options_.padding);
}

Pooling2DOptions Pooling2D::options_from(const Config& config) {
  Pooling2DOptions options;
  options.pool_size = nn::get_size2d(config, "pool_size", options.pool_size);
  options.strides = nn::get_size2d(config, "strides", options.strides);
  options.padding = config.get_string("padding", options.padding);
  return options;
}

Config Pooling2D::config() const {
  return Config()
      .set("pool_size", nn::to_list(options_.pool_size))
      .set("padding", options_.padding)
      .set("strides", nn::to_list(options_.strides))
      .set("data_format", "channels_last");
}

Shape Pooling2D::output_shape(const Shape& input) const {
  return nn::window_output(*this, windows_of(options_), input, nn::image_channels(*this, input));
}

MaxPooling2D::MaxPooling2D(const Pooling2DOptions& options) : Pooling2D("MaxPooling2D", options) {}

std::unique_ptr<Layer> MaxPooling2D::from_config(const Config& config) {
  return std::make_unique<MaxPooling2D>(options_from(config));
}

void MaxPooling2D::lower(nn::GraphBuilder& builder) const {
  append_pooling(builder, *this, backend::Pool2DOp::Kind::kMax);
}

AveragePooling2D::AveragePooling2D(const Pooling2DOptions& options)
    : Pooling2D("AveragePooling2D", options) {}

std::unique_ptr<Layer> AveragePooling2D::from_config(const Config& config) {
  return std::make_unique<AveragePooling2D>(options_from(config));
}

void AveragePooling2D::lower(nn::GraphBuilder& builder) const {
  append_pooling(builder, *this, backend::Pool2DOp::Kind::kAverage);
}

}  // namespace sluice
