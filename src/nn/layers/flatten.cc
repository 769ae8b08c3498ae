#include "sluice/layers/flatten.h"

#include "nn/graph_builder.h"

namespace sluice {

std::unique_ptr<Layer> Flatten::from_config(const Config&) { return std::make_unique<Flatten>(); }

Config Flatten::config() const { return Config().set("data_format", "channels_last"); }

void Flatten::lower(nn::GraphBuilder& builder) const {
  builder.append(backend::ReshapeOp{}, output_shape(builder.shape()));
}

}  // namespace sluice
