#include "sluice/layers/up_sampling.h"

#include <fmt/core.h>

#include <stdexcept>

#include "nn/arguments.h"
#include "nn/graph_builder.h"

namespace sluice {
namespace {

using Kind = backend::InterpolateOp::Kind;

// Throws std::invalid_argument for what is not there.
Kind kind_of(const std::string& interpolation) {
  if (interpolation == "bilinear") return Kind::kLinear;
  if (interpolation == "bicubic") return Kind::kCubic;
  if (interpolation == "lanczos3") return Kind::kLanczos3;
  if (interpolation == "lanczos5") return Kind::kLanczos5;
  throw std::invalid_argument(
      fmt::format("UpSampling2D: interpolation = \"{}\": use \"nearest\", \"bilinear\", "
                  "\"bicubic\", \"lanczos3\" or \"lanczos5\"",
                  interpolation));
}

}  // namespace

UpSampling1D::UpSampling1D(const UpSampling1DOptions& options)
    : Layer(options.name), size_(options.size) {
  nn::require_size({"UpSampling1D", "size"}, size_);
}

std::unique_ptr<Layer> UpSampling1D::from_config(const Config& config) {
  return std::make_unique<UpSampling1D>(UpSampling1DOptions{.size = config.get_int("size", 2)});
}

Shape UpSampling1D::output_shape(const Shape& input) const {
  nn::require_rank(*this, 2, input);
  Shape output{input[0] * size_, input[1]};
  nn::require_countable(*this, "output", output);
  return output;
}

void UpSampling1D::lower(nn::GraphBuilder& builder) const {
  builder.append(backend::RearrangeOp{{{.from = 0, .repeat = size_}, {.from = 1}}},
                 output_shape(builder.shape()));
}

UpSampling2D::UpSampling2D(const UpSampling2DOptions& options)
    : Layer(options.name), options_(options) {
  nn::require_size({"UpSampling2D", "size"}, options_.size);
  if (options_.interpolation != "nearest") (void)kind_of(options_.interpolation);
}

std::unique_ptr<Layer> UpSampling2D::from_config(const Config& config) {
  return std::make_unique<UpSampling2D>(
      UpSampling2DOptions{.size = nn::get_size2d(config, "size", 2),
                          .interpolation = config.get_string("interpolation", "nearest")});
}

Config UpSampling2D::config() const {
  return Config()
      .set("size", nn::to_list(options_.size))
      .set("data_format", "channels_last")
      .set("interpolation", options_.interpolation);
}

Shape UpSampling2D::output_shape(const Shape& input) const {
  nn::require_rank(*this, 3, input);
  Shape output{input[0] * options_.size.h, input[1] * options_.size.w, input[2]};
  nn::require_countable(*this, "output", output);
  return output;
}

void UpSampling2D::lower(nn::GraphBuilder& builder) const {
  const Size2D& size = options_.size;
  const Shape input = builder.shape(), output = output_shape(input);
  if (options_.interpolation == "nearest") {
    builder.append(
        backend::RearrangeOp{
            {{.from = 0, .repeat = size.h}, {.from = 1, .repeat = size.w}, {.from = 2}}},
        output);
    return;
  }
  const Kind kind = kind_of(options_.interpolation);
  builder.append(backend::InterpolateOp{0, size.h, kind}, {output[0], input[1], input[2]});
  builder.append(backend::InterpolateOp{1, size.w, kind}, output);
}

}  // namespace sluice
