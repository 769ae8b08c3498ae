// What Layer::lower() appends its operations to.
#pragma once

#include <string>

#include "backend/graph.h"
#include "core/parameter_set.h"

namespace sluice::nn {

// Keeps track of the shape between two operations and of where each layer's weights lie.
class GraphBuilder {
 public:
  // `layout` must outlive the builder.
  GraphBuilder(const Shape& input, const core::ParameterLayout& layout, backend::Loss loss);

  // The operations and weights that follow belong to the layer of this name.
  void begin_layer(std::string name) { layer_ = std::move(name); }

  // The shape, without the batch, that the next operation gets.
  const Shape& shape() const { return graph_.output_shape(); }

  // Where the current layer's weight lies: parameter("kernel").
  backend::ParameterSlice parameter(const std::string& weight) const;

  // Appends an operation from shape() to `output`, which becomes shape().
  void append(backend::OpKind kind, Shape output);

  // Appends an activation unless it is linear.
  void append_activation(backend::Activation activation);

  backend::Graph take() && { return std::move(graph_); }

 private:
  const core::ParameterLayout& layout_;
  std::string layer_;
  backend::Graph graph_;
};

}  // namespace sluice::nn
