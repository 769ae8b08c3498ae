#include "nn/called_layers.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>

#include "sluice/layers/input.h"

namespace sluice::nn {
namespace {

using Node = SymbolicTensor::Node;

// An Input stands for one value, whichever of its handles is used.
bool is_input(const Node& node) { return node.inputs.empty(); }

std::string name_of(const Layer& input) {
  return input.name().empty() ? "an Input" : "the Input \"" + input.name() + '"';
}

// Keras' map_graph(): a way back from the outputs, depth first, that is done with each call behind
// its inputs; and how deep each call and each layer lies.
class Walk {
 public:
  explicit Walk(std::span<const SymbolicTensor> inputs) {
    for (const SymbolicTensor& input : inputs) {
      const Layer* layer = input.node()->layer.get();
      if (dynamic_cast<const Input*>(layer) == nullptr) {
        throw std::invalid_argument("Model: it must begin with an Input");
      }
      if (!inputs_.try_emplace(layer, inputs_.size()).second) {
        throw std::invalid_argument(
            fmt::format("Model: {} is given twice among its inputs", name_of(*layer)));
      }
    }
  }

  // Without recursion: a chain may be long.
  void visit(const Node& output) {
    enter(output);
    while (!under_way_.empty()) {
      auto& [node, next] = under_way_.back();
      if (next < node->inputs.size()) {
        enter(*node->inputs[next++].node());
      } else {
        number_[node] = nodes_.size();
        nodes_.push_back(node);
        under_way_.pop_back();
      }
    }
  }

  CalledLayers take(std::span<const SymbolicTensor> outputs) const {
    CalledLayers called;
    std::vector<const Layer*> all;  // Inputs too
    for (const auto& [layer, order] : found_) all.push_back(layer);
    const Depths depths = find_depths();
    std::sort(all.begin(), all.end(), [&](const Layer* a, const Layer* b) {
      const int depth_of_a = depths.of_layer.at(a), depth_of_b = depths.of_layer.at(b);
      if (depth_of_a != depth_of_b) return depth_of_a > depth_of_b;
      return found_.at(a) < found_.at(b);
    });
    std::map<const Layer*, size_t> number;  // in called.layers
    for (const Layer* layer : all) {
      const auto input = inputs_.find(layer);
      if (input != inputs_.end()) {
        called.order.push_back(input->second);
        continue;
      }
      called.order.push_back(inputs_.size() + called.layers.size());
      number[layer] = called.layers.size();
      called.layers.push_back(layer);
    }
    const std::vector<size_t> order = order_of_calls(depths);
    std::vector<size_t> place(order.size());  // of nodes_[i] in it
    for (size_t i = 0; i < order.size(); ++i) place[order[i]] = i;
    const auto value_of = [&](const SymbolicTensor& tensor) {
      const Node& node = *tensor.node();
      if (is_input(node)) return inputs_.at(node.layer.get());
      return inputs_.size() + place[number_.at(&node)];
    };
    for (const size_t i : order) {
      CalledLayers::Call call{number.at(nodes_[i]->layer.get()), {}};
      for (const SymbolicTensor& tensor : nodes_[i]->inputs) {
        call.inputs.push_back(value_of(tensor));
      }
      called.calls.push_back(std::move(call));
    }
    for (const SymbolicTensor& output : outputs) called.outputs.push_back(value_of(output));
    return called;
  }

  // Throws unless all inputs have been reached.
  void check_reached() const {
    for (const auto& [input, number] : inputs_) {
      if (found_.contains(input)) continue;
      throw std::invalid_argument(inputs_.size() == 1
                                      ? "Model: the output does not depend on the input"
                                      : "Model: no output depends on " + name_of(*input));
    }
  }

 private:
  void enter(const Node& node) {
    if (!is_input(node)) {
      if (number_.contains(&node)) return;
      found_.try_emplace(node.layer.get(), found_.size());
      under_way_.emplace_back(&node, 0);
    } else if (inputs_.contains(node.layer.get())) {
      found_.try_emplace(node.layer.get(), found_.size());
    } else {
      throw std::invalid_argument(
          fmt::format("Model: the output depends on {} as well, which is not {}",
                      node.layer->name().empty() ? "another Input" : name_of(*node.layer),
                      inputs_.size() == 1 ? "its input" : "among its inputs"));
    }
  }

  // The longest way to an output, in calls; of a layer that is called more than once all its calls
  // count as deep as the deepest that came before.
  struct Depths {
    std::map<const Layer*, int> of_layer;
    std::vector<int> of_node;
    std::vector<size_t> met;  // the nodes, as the walk from the last to the first meets them
  };
  Depths find_depths() const {
    Depths depths{{}, std::vector<int>(nodes_.size(), 0), {}};
    for (const auto& [input, number] : inputs_) depths.of_layer[input] = 0;
    std::vector<bool> is_met(nodes_.size(), false);
    const auto meet = [&](size_t i) {
      if (!is_met[i]) depths.met.push_back(i);
      is_met[i] = true;
    };
    for (size_t i = nodes_.size(); i-- > 0;) {
      meet(i);
      int& of_mine = depths.of_layer[nodes_[i]->layer.get()];
      const int own = of_mine = depths.of_node[i] = std::max(depths.of_node[i], of_mine);
      for (const SymbolicTensor& tensor : nodes_[i]->inputs) {
        const auto from = number_.find(tensor.node().get());
        const bool is_call = from != number_.end();
        if (is_call) meet(from->second);
        int& depth =
            is_call ? depths.of_node[from->second] : depths.of_layer[tensor.node()->layer.get()];
        depth = std::max(depth, own + 1);
      }
    }
    return depths;
  }

  // In which order Keras' Function.call() makes the calls. It shows where a layer with state is
  // called more than once: its moving statistics end with what the last call has seen.
  static std::vector<size_t> order_of_calls(const Depths& depths) {
    std::vector<size_t> order = depths.met;
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return depths.of_node[a] > depths.of_node[b]; });
    return order;
  }

  std::map<const Layer*, size_t> inputs_;
  std::map<const Node*, size_t> number_;  // of a call, in nodes_
  std::map<const Layer*, size_t> found_;  // in which order the way back came upon it
  std::vector<const Node*> nodes_;
  std::vector<std::pair<const Node*, size_t>> under_way_;  // and their next input
};

}  // namespace

CalledLayers find_called(std::span<const SymbolicTensor> inputs,
                         std::span<const SymbolicTensor> outputs) {
  if (inputs.empty() || outputs.empty()) {
    throw std::invalid_argument("Model: expected at least one input and one output");
  }
  Walk walk(inputs);
  for (const SymbolicTensor& output : outputs) walk.visit(*output.node());
  walk.check_reached();
  return walk.take(outputs);
}

}  // namespace sluice::nn
