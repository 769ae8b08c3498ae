#include "nn/nested_model.h"

#include <fmt/core.h>

#include <stdexcept>
#include <utility>

#include "nn/arguments.h"
#include "nn/graph_builder.h"
#include "nn/lowering.h"
#include "nn/model_impl.h"
#include "sluice/errors.h"

namespace sluice::nn {

NestedModel::NestedModel(std::shared_ptr<const Model> model)
    : Layer(model->name()), model_(std::move(model)) {
  if (!model_->built()) {
    throw ShapeError(fmt::format(
        "{} \"{}\": a model that is called needs an Input and layers first", class_name(), name()));
  }
  if (model_->impl().outputs.size() != 1) {
    throw std::invalid_argument(
        fmt::format("{} \"{}\": a model inside another has one output, this has {}", class_name(),
                    name(), model_->impl().outputs.size()));
  }
}

std::string NestedModel::class_name() const {
  return model_->impl().is_sequential ? "Sequential" : "Functional";
}

Shape NestedModel::merged_shape(std::span<const Shape> inputs) const {
  const std::vector<Shape> expected = model_->input_shapes();
  if (inputs.size() != expected.size()) {
    throw ShapeError(fmt::format("{} \"{}\": expected {} inputs, got {}", class_name(), name(),
                                 expected.size(), inputs.size()));
  }
  for (size_t i = 0; i < expected.size(); ++i) {
    if (inputs[i] != expected[i]) {
      throw_shape_error(*this, "an input " + expected[i].to_string(), inputs[i]);
    }
  }
  return model_->output_shape();
}

std::vector<WeightSpec> NestedModel::weights(const Shape&) const {
  const Model::Impl& impl = model_->impl();
  std::vector<WeightSpec> all;
  for (size_t i = 0; i < impl.layers.size(); ++i) {
    const Layer& layer = *impl.layers[i];
    for (WeightSpec& weight : layer.weights(impl.inputs_of(impl.call_of(i)).front())) {
      weight.name = layer.name() + "/" + weight.name;
      all.push_back(std::move(weight));
    }
  }
  return all;
}

void NestedModel::lower(GraphBuilder& builder) const {
  const Model::Impl& impl = model_->impl();
  std::vector<backend::ValueId> values = builder.enter(*this);
  lower_calls(impl, values, builder);
  builder.leave(values[impl.outputs.front()]);
}

}  // namespace sluice::nn

namespace sluice {

SymbolicTensor Model::operator()(const SymbolicTensor& input) const {
  return (*this)(std::vector<SymbolicTensor>{input});
}

SymbolicTensor Model::operator()(const std::vector<SymbolicTensor>& inputs) const {
  if (impl_->called == nullptr) {
    impl_->called = std::make_shared<nn::NestedModel>(std::make_shared<const Model>(*this));
  }
  std::vector<Shape> shapes;
  for (const SymbolicTensor& input : inputs) shapes.push_back(input.shape());
  Shape output = impl_->called->merged_shape(shapes);
  return SymbolicTensor(std::make_shared<SymbolicTensor::Node>(
      SymbolicTensor::Node{impl_->called, inputs, std::move(output)}));
}

Sequential& Sequential::add(const Model& model) {
  return add(std::make_unique<nn::NestedModel>(std::make_shared<const Model>(model)));
}

}  // namespace sluice
