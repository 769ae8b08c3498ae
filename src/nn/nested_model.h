// A model as a layer of another.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sluice/model.h"

namespace sluice::nn {

// Its layers are lowered where it is called. The model around it has a copy of its weights, by
// their names behind its own: "inner/dense/kernel". Copies share the model, which never changes.
class NestedModel final : public Layer {
 public:
  // Throws ShapeError for a model that is not built, and std::invalid_argument for one with several
  // outputs.
  explicit NestedModel(std::shared_ptr<const Model> model);

  const Model& model() const { return *model_; }

  std::string class_name() const override;
  Config config() const override { return {}; }
  Shape output_shape(const Shape& input) const override { return merged_shape({&input, 1}); }
  // Throws ShapeError for other inputs than the model's.
  Shape merged_shape(std::span<const Shape> inputs) const override;
  std::vector<WeightSpec> weights(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<NestedModel>(*this); }
  void lower(GraphBuilder& builder) const override;

 private:
  std::shared_ptr<const Model> model_;
};

}  // namespace sluice::nn
