#include "nn/arguments.h"
#include "nn/graph_builder.h"
#include "nn/window2d.h"
#include "sluice/layers/pooling1d.h"
#include "sluice/layers/pooling2d.h"

namespace sluice {
namespace {

using Kind = backend::Pool2DOp::Kind;

int rank_of(const Pooling1DOptions&) { return 1; }
int rank_of(const Pooling2DOptions&) { return 2; }

template <typename Options>
nn::Windows2D windows_of(const Options& options) {
  return {rank_of(options), nn::size2d(options.pool_size), nn::size2d(options.strides),
          options.padding};
}

// With strides as resolved.
template <typename Options>
Options checked(const char* class_name, Options options) {
  nn::require_size({class_name, "pool_size"}, options.pool_size);
  if (options.strides == decltype(options.strides)(0)) options.strides = options.pool_size;
  nn::require_size({class_name, "strides"}, options.strides);
  nn::require_padding({class_name, "padding"}, options.padding);
  return options;
}

template <typename Options>
Options read(const Config& config) {
  Options options;
  options.pool_size = nn::get_size(config, "pool_size", options.pool_size);
  options.strides = nn::get_size(config, "strides", options.strides);
  options.padding = config.get_string("padding", options.padding);
  return options;
}

template <typename Options>
Config write(const Options& options) {
  return Config()
      .set("pool_size", nn::to_list(options.pool_size))
      .set("padding", options.padding)
      .set("strides", nn::to_list(options.strides))
      .set("data_format", "channels_last");
}

template <typename LayerType>
Shape pooled(const LayerType& layer, const Shape& input) {
  const nn::Windows2D windows = windows_of(layer.options());
  const int64_t channels = nn::as_image(layer, input, windows.rank)[2];
  return nn::window_output(layer, windows, input, channels);
}

template <typename LayerType>
void append_pooling(nn::GraphBuilder& builder, const LayerType& layer, Kind kind) {
  const nn::Windows2D windows = windows_of(layer.options());
  const Shape image = nn::as_image(layer, builder.shape(), windows.rank);
  nn::append_on_images(builder, layer, windows.rank,
                       backend::Pool2DOp{.kind = kind,
                                         .pool_h = windows.size.h,
                                         .pool_w = windows.size.w,
                                         .stride_h = windows.strides.h,
                                         .stride_w = windows.strides.w,
                                         .padding = nn::window_padding(windows, image)},
                       layer.output_shape(builder.shape()));
}

}  // namespace

Pooling2D::Pooling2D(const char* class_name, const Pooling2DOptions& options)
    : Layer(options.name), options_(checked(class_name, options)) {}

Pooling2DOptions Pooling2D::options_from(const Config& config) {
  return read<Pooling2DOptions>(config);
}

Config Pooling2D::config() const { return write(options_); }

Shape Pooling2D::output_shape(const Shape& input) const { return pooled(*this, input); }

MaxPooling2D::MaxPooling2D(const Pooling2DOptions& options) : Pooling2D("MaxPooling2D", options) {}

std::unique_ptr<Layer> MaxPooling2D::from_config(const Config& config) {
  return std::make_unique<MaxPooling2D>(options_from(config));
}

void MaxPooling2D::lower(nn::GraphBuilder& builder) const {
  append_pooling(builder, *this, Kind::kMax);
}

AveragePooling2D::AveragePooling2D(const Pooling2DOptions& options)
    : Pooling2D("AveragePooling2D", options) {}

std::unique_ptr<Layer> AveragePooling2D::from_config(const Config& config) {
  return std::make_unique<AveragePooling2D>(options_from(config));
}

void AveragePooling2D::lower(nn::GraphBuilder& builder) const {
  append_pooling(builder, *this, Kind::kAverage);
}

Pooling1D::Pooling1D(const char* class_name, const Pooling1DOptions& options)
    : Layer(options.name), options_(checked(class_name, options)) {}

Pooling1DOptions Pooling1D::options_from(const Config& config) {
  return read<Pooling1DOptions>(config);
}

Config Pooling1D::config() const { return write(options_); }

Shape Pooling1D::output_shape(const Shape& input) const { return pooled(*this, input); }

MaxPooling1D::MaxPooling1D(const Pooling1DOptions& options) : Pooling1D("MaxPooling1D", options) {}

std::unique_ptr<Layer> MaxPooling1D::from_config(const Config& config) {
  return std::make_unique<MaxPooling1D>(options_from(config));
}

void MaxPooling1D::lower(nn::GraphBuilder& builder) const {
  append_pooling(builder, *this, Kind::kMax);
}

AveragePooling1D::AveragePooling1D(const Pooling1DOptions& options)
    : Pooling1D("AveragePooling1D", options) {}

std::unique_ptr<Layer> AveragePooling1D::from_config(const Config& config) {
  return std::make_unique<AveragePooling1D>(options_from(config));
}

void AveragePooling1D::lower(nn::GraphBuilder& builder) const {
  append_pooling(builder, *this, Kind::kAverage);
}

}  // namespace sluice
