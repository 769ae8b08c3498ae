#include "sluice/layers/global_pooling.h"

#include "nn/graph_builder.h"
#include "nn/window2d.h"

namespace sluice {

GlobalPoolingOptions GlobalPooling::options_from(const Config& config) {
  GlobalPoolingOptions options;
  options.keepdims = config.get_bool("keepdims", options.keepdims);
  return options;
}

Config GlobalPooling::config() const {
  return Config().set("data_format", "channels_last").set("keepdims", options_.keepdims);
}

Shape GlobalPooling::output_shape(const Shape& input) const {
  const int64_t channels = nn::as_image(*this, input, rank_)[2];
  return options_.keepdims ? nn::from_image({1, 1, channels}, rank_) : Shape{channels};
}

void GlobalPooling::lower(nn::GraphBuilder& builder) const {
  using Pooling = backend::Pool2DOp;
  const Shape image = nn::as_image(*this, builder.shape(), rank_);
  const Shape output = output_shape(builder.shape());
  nn::append_on_images(
      builder, *this, rank_,
      Pooling{.kind = kind_ == Kind::kMax ? Pooling::Kind::kMax : Pooling::Kind::kAverage,
              .pool_h = image[0],
              .pool_w = image[1],
              .stride_h = image[0],
              .stride_w = image[1]},
      nn::from_image({1, 1, image[2]}, rank_));
  if (!options_.keepdims) builder.append(backend::ReshapeOp{}, output);
}

}  // namespace sluice
