// ZeroPadding1D, ZeroPadding2D, Cropping1D, Cropping2D.
#include "nn/arguments.h"
#include "nn/graph_builder.h"
#include "sluice/layers/cropping.h"
#include "sluice/layers/zero_padding.h"

namespace sluice {
namespace {

using backend::RearrangeOp;

enum class What { kPadded, kCropped };

// What the sizes of a padded axis change by, and of a cropped one.
int64_t change(What what, const Border1D& border) {
  return what == What::kPadded ? border.before + border.after : -border.before - border.after;
}

// `shape` with its axes from the first one changed; the last, of channels, stays.
Shape changed(const Layer& layer, What what, const std::vector<Border1D>& borders,
              const Shape& shape) {
  nn::require_rank(layer, static_cast<int>(borders.size()) + 1, shape);
  std::vector<int64_t> sizes = shape.dims();
  for (size_t k = 0; k < borders.size(); ++k) {
    sizes[k] += change(what, borders[k]);
    if (sizes[k] < 1) nn::throw_shape_error(layer, "an input that is not cropped away", shape);
  }
  Shape output(sizes);
  nn::require_countable(layer, "output", output);
  return output;
}

void append(nn::GraphBuilder& builder, const Layer& layer, What what,
            const std::vector<Border1D>& borders) {
  RearrangeOp op;
  for (const Border1D& border : borders) {
    op.axes.push_back({.from = static_cast<int>(op.axes.size()),
                       .before = what == What::kPadded ? border.before : -border.before});
  }
  op.axes.push_back({.from = static_cast<int>(op.axes.size())});
  builder.append(std::move(op), layer.output_shape(builder.shape()));
}

}  // namespace

ZeroPadding1D::ZeroPadding1D(const ZeroPadding1DOptions& options)
    : Layer(options.name), padding_(options.padding) {
  nn::require_border({"ZeroPadding1D", "padding"}, padding_);
}
std::unique_ptr<Layer> ZeroPadding1D::from_config(const Config& config) {
  return std::make_unique<ZeroPadding1D>(
      ZeroPadding1DOptions{.padding = nn::get_border1d(config, "padding", 1)});
}
Config ZeroPadding1D::config() const { return Config().set("padding", nn::to_list(padding_)); }
Shape ZeroPadding1D::output_shape(const Shape& input) const {
  return changed(*this, What::kPadded, {padding_}, input);
}
void ZeroPadding1D::lower(nn::GraphBuilder& builder) const {
  append(builder, *this, What::kPadded, {padding_});
}

ZeroPadding2D::ZeroPadding2D(const ZeroPadding2DOptions& options)
    : Layer(options.name), padding_(options.padding) {
  nn::require_border({"ZeroPadding2D", "padding"}, padding_);
}
std::unique_ptr<Layer> ZeroPadding2D::from_config(const Config& config) {
  return std::make_unique<ZeroPadding2D>(
      ZeroPadding2DOptions{.padding = nn::get_border2d(config, "padding", 1)});
}
Config ZeroPadding2D::config() const {
  return Config().set("padding", nn::to_lists(padding_)).set("data_format", "channels_last");
}
Shape ZeroPadding2D::output_shape(const Shape& input) const {
  return changed(*this, What::kPadded, {padding_.h, padding_.w}, input);
}
void ZeroPadding2D::lower(nn::GraphBuilder& builder) const {
  append(builder, *this, What::kPadded, {padding_.h, padding_.w});
}

Cropping1D::Cropping1D(const Cropping1DOptions& options)
    : Layer(options.name), cropping_(options.cropping) {
  nn::require_border({"Cropping1D", "cropping"}, cropping_);
}
std::unique_ptr<Layer> Cropping1D::from_config(const Config& config) {
  return std::make_unique<Cropping1D>(
      Cropping1DOptions{.cropping = nn::get_border1d(config, "cropping", 1)});
}
Config Cropping1D::config() const { return Config().set("cropping", nn::to_list(cropping_)); }
Shape Cropping1D::output_shape(const Shape& input) const {
  return changed(*this, What::kCropped, {cropping_}, input);
}
void Cropping1D::lower(nn::GraphBuilder& builder) const {
  append(builder, *this, What::kCropped, {cropping_});
}

Cropping2D::Cropping2D(const Cropping2DOptions& options)
    : Layer(options.name), cropping_(options.cropping) {
  nn::require_border({"Cropping2D", "cropping"}, cropping_);
}
std::unique_ptr<Layer> Cropping2D::from_config(const Config& config) {
  return std::make_unique<Cropping2D>(
      Cropping2DOptions{.cropping = nn::get_border2d(config, "cropping", 0)});
}
Config Cropping2D::config() const {
  return Config().set("cropping", nn::to_lists(cropping_)).set("data_format", "channels_last");
}
Shape Cropping2D::output_shape(const Shape& input) const {
  return changed(*this, What::kCropped, {cropping_.h, cropping_.w}, input);
}
void Cropping2D::lower(nn::GraphBuilder& builder) const {
  append(builder, *this, What::kCropped, {cropping_.h, cropping_.w});
}

}  // namespace sluice
