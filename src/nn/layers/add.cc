#include "sluice/layers/add.h"

#include "nn/arguments.h"
#include "nn/graph_builder.h"

namespace sluice {

std::unique_ptr<Layer> Add::from_config(const Config&) { return std::make_unique<Add>(); }

Shape Add::merged_shape(std::span<const Shape> inputs) const {
  for (const Shape& input : inputs) {
    if (input != inputs.front()) {
      nn::throw_shape_error(*this, "inputs " + inputs.front().to_string(), input);
    }
  }
  return inputs.front();
}

void Add::lower(nn::GraphBuilder& builder) const {
  builder.append_merge(backend::MergeOp{backend::MergeOp::Kind::kAdd}, builder.shape());
}

}  // namespace sluice
