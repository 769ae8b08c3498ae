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

// Keras' map_graph(): each call behind its inputs, in the order in which the way back from the
// output, depth first, is done with them.
class Walk {
 public:
  explicit Walk(const Layer* input) : input_(input) {}

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

  CalledLayers take() const {
    CalledLayers called;
    for (const auto& [layer, order] : found_) called.layers.push_back(layer);
    const std::map<const Layer*, int> depth = depths();
    std::sort(called.layers.begin(), called.layers.end(), [&](const Layer* a, const Layer* b) {
      if (depth.at(a) != depth.at(b)) return depth.at(a) > depth.at(b);
      return found_.at(a) < found_.at(b);
    });
    for (const Node* node : nodes_) {
      const auto layer = std::find(called.layers.begin(), called.layers.end(), node->layer.get());
      CalledLayers::Call call{static_cast<size_t>(layer - called.layers.begin()), {}};
      for (const SymbolicTensor& tensor : node->inputs) {
        const Node& from = *tensor.node();
        call.inputs.push_back(is_input(from) ? 0 : 1 + number_.at(&from));
      }
      called.calls.push_back(std::move(call));
    }
    return called;
  }

  bool reached_input() const { return reached_; }

 private:
  void enter(const Node& node) {
    if (!is_input(node)) {
      if (number_.contains(&node)) return;
      found_.try_emplace(node.layer.get(), found_.size());
      under_way_.emplace_back(&node, 0);
    } else if (node.layer.get() == input_) {
      reached_ = true;
    } else {
      const std::string& name = node.layer->name();
      throw std::invalid_argument(
          fmt::format("Model: the output depends on {} as well, which is not its input",
                      name.empty() ? "another Input" : "the Input \"" + name + '"'));
    }
  }

  // The longest way from a layer to the output, in calls; of a layer that is called more than once
  // all its calls count as deep as the deepest that came before.
  std::map<const Layer*, int> depths() const {
    std::vector<int> of_node(nodes_.size(), 0);
    std::map<const Layer*, int> of_layer;
    for (size_t i = nodes_.size(); i-- > 0;) {
      int& of_mine = of_layer[nodes_[i]->layer.get()];
      of_mine = of_node[i] = std::max(of_node[i], of_mine);
      for (const SymbolicTensor& tensor : nodes_[i]->inputs) {
        const auto from = number_.find(tensor.node().get());
        if (from == number_.end()) continue;
        of_node[from->second] = std::max(of_node[from->second], of_node[i] + 1);
      }
    }
    return of_layer;
  }

  const Layer* const input_;
  bool reached_ = false;
  std::map<const Node*, size_t> number_;  // of a call, in nodes_
  std::map<const Layer*, size_t> found_;  // in which order the way back came upon it
  std::vector<const Node*> nodes_;
  std::vector<std::pair<const Node*, size_t>> under_way_;  // and their next input
};

}  // namespace

CalledLayers find_called(const SymbolicTensor& input, const SymbolicTensor& output) {
  const Layer* first = input.node()->layer.get();
  if (dynamic_cast<const Input*>(first) == nullptr) {
    throw std::invalid_argument("Model: it must begin with an Input");
  }
  Walk walk(first);
  walk.visit(*output.node());
  if (!walk.reached_input()) {
    throw std::invalid_argument("Model: the output does not depend on the input");
  }
  return walk.take();
}

}  // namespace sluice::nn
