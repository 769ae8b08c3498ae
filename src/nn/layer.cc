#include "sluice/layer.h"

#include <fmt/core.h>

#include <stdexcept>

#include "nn/graph_builder.h"
#include "sluice/errors.h"

namespace sluice {
namespace {

// A custom layer as the backend sees it. Owns its own copy: a graph may outlive the model.
class CustomLayerKernel final : public backend::HostKernel {
 public:
  explicit CustomLayerKernel(std::unique_ptr<Layer> layer)
      : layer_(std::move(layer)), custom_(dynamic_cast<const CustomLayer*>(layer_.get())) {
    if (custom_ == nullptr) {
      throw std::invalid_argument(layer_->class_name() +
                                  ": clone() must return the same class, made by "
                                  "std::make_unique<YourLayer>(*this)");
    }
  }

  void forward(const Forward& args) const override {
    custom_->forward({args.batch, args.x, args.parameters, args.y, args.training});
  }

  void backward(const Backward& args) const override {
    custom_->backward(
        {args.batch, args.x, args.y, args.dy, args.parameters, args.dx, args.dparameters});
  }

 private:
  std::unique_ptr<Layer> layer_;
  const CustomLayer* custom_;
};

}  // namespace

std::vector<WeightSpec> Layer::weights(const Shape&) const { return {}; }

Shape Layer::merged_shape(std::span<const Shape> inputs) const {
  if (inputs.size() != 1) {
    throw ShapeError(fmt::format("{}{}: expected one input, got {}", class_name(),
                                 name_.empty() ? "" : fmt::format(" \"{}\"", name_),
                                 inputs.size()));
  }
  return output_shape(inputs.front());
}

// One after the other: a long chain of layers would otherwise be a deep recursion.
SymbolicTensor::Node::~Node() {
  std::vector<SymbolicTensor> left = std::move(inputs);
  while (!left.empty()) {
    const SymbolicTensor tensor = std::move(left.back());
    left.pop_back();
    if (tensor.node_.use_count() > 1) continue;
    auto& last =
        const_cast<Node&>(*tensor.node_);  // made as one that is not const, and about to go
    left.insert(left.end(), last.inputs.begin(), last.inputs.end());
    last.inputs.clear();
  }
}

const std::shared_ptr<const Layer>& Layer::called() const {
  if (called_ == nullptr) called_ = clone();
  return called_;
}

SymbolicTensor Layer::operator()(const SymbolicTensor& input) const {
  return (*this)(std::vector<SymbolicTensor>{input});
}

SymbolicTensor Layer::operator()(const std::vector<SymbolicTensor>& inputs) const {
  if (inputs.empty()) throw std::invalid_argument(class_name() + ": called without an input");
  std::vector<Shape> shapes;
  for (const SymbolicTensor& input : inputs) shapes.push_back(input.shape());
  Shape output = merged_shape(shapes);
  return SymbolicTensor(std::make_shared<SymbolicTensor::Node>(
      SymbolicTensor::Node{called(), inputs, std::move(output)}));
}

void CustomLayer::lower(nn::GraphBuilder& builder) const {
  backend::HostOp op;
  op.kernel = std::make_shared<CustomLayerKernel>(clone());
  for (const WeightSpec& weight : weights(builder.shape())) {
    op.parameters.push_back(builder.parameter(weight.name));
  }
  Shape output = output_shape(builder.shape());
  builder.append(std::move(op), std::move(output));
}

}  // namespace sluice
