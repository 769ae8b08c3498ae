// What Layer::lower() appends its operations to.
#pragma once

#include <string>
#include <vector>

#include "backend/graph.h"
#include "core/parameter_set.h"
#include "sluice/layer.h"

namespace sluice::nn {

// Keeps track of the shape between two operations and of where each layer's weights lie.
class GraphBuilder {
 public:
  // `layout` must outlive the builder. Values 0, 1, ... are the inputs.
  GraphBuilder(std::vector<Shape> inputs, const core::ParameterLayout& layout);

  // The operations and weights that follow belong to this layer, called for these values.
  void begin_call(const Layer& layer, std::vector<backend::ValueId> inputs);

  // A penalty of what the layer gives, whose value is found here. For each of its calls.
  void add_activity_penalty(backend::ActivityPenalty penalty);

  // The layer's regularizers and constraints, once for each of its weights, however often it is
  // called. Throws std::invalid_argument for those that do not fit a weight's shape.
  void add_weight_rules(const Layer& layer);

  // The calls that follow are of layers inside this one, until leave(), which says what it gives.
  // Returns what it was called for.
  std::vector<backend::ValueId> enter(const Layer& layer);
  void leave(backend::ValueId output);

  // The shape, without the batch, that the next operation gets.
  const Shape& shape() const { return graph_.values[value_]; }
  // What the last operation of the layer has given.
  backend::ValueId value() const { return value_; }

  // Where the current layer's weight lies: parameter("kernel").
  backend::ParameterSlice parameter(const std::string& weight) const;

  // Whether the layer, or a model that it is in, is frozen.
  bool is_frozen() const { return frozen_; }

  // What the layer was called for.
  size_t input_count() const { return inputs_.size(); }
  const Shape& input_shape(size_t input) const { return graph_.values[inputs_[input]]; }

  // Counts the first of them once more, as the last: for a layer that goes two ways from it.
  void repeat_input() { inputs_.push_back(inputs_.front()); }

  // Appends an operation on one of them, whose output takes its place.
  void append_to_input(size_t input, backend::OpKind kind, Shape output);

  // Appends an operation on all that the layer was called for, before any that append() adds.
  void append_merge(backend::OpKind kind, Shape output);

  // Appends an operation from shape() to `output`, which becomes shape().
  void append(backend::OpKind kind, Shape output);

  // Appends an activation unless it is linear.
  void append_activation(const backend::ActivationOp& op);

  // Without outputs yet.
  backend::Graph take() && { return std::move(graph_); }

 private:
  struct Scope {
    std::string prefix;  // of the names of layers: "inner/"
    bool is_frozen = false;
  };

  const core::ParameterLayout& layout_;
  std::vector<Scope> scopes_{Scope{}};
  std::string layer_;
  bool frozen_ = false;
  std::vector<backend::ValueId> inputs_;
  backend::ValueId value_ = 0;
  backend::Graph graph_;
};

}  // namespace sluice::nn
