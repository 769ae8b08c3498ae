// Operations that a model's user calls without a layer: x / 255, keras.ops.relu(x). Keras 3 writes
// each as a layer of a class of its module keras.ops, with numbers among the arguments of its call.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace sluice::nn {

// Whether this entry of a model's "layers" is one.
bool is_operation(const nlohmann::ordered_json& layer);

// The layer, under the operation's name and as Keras writes it, that does the same:
//
//   x + 1, 1 - x, 2 x, x / 255, -x                  Rescaling
//   x + y, x - y, x y, maximum(x, y), minimum(x, y)  Add, Subtract, Multiply, Maximum, Minimum
//   maximum(x, 0), relu(x), softmax(x), tanh(x), ... ReLU, Activation
//   mean(x, axis), max(x, axis) over all places      GlobalAveragePooling, GlobalMaxPooling
//   reshape(x, (-1, ...)), transpose(x, (0, ...))    Reshape, Permute
//   concatenate([x, y], axis)                        Concatenate
//
// Throws std::invalid_argument, naming it, for an operation that no layer does.
nlohmann::ordered_json layer_of_operation(const nlohmann::ordered_json& operation);

}  // namespace sluice::nn
