// What a Model holds.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/replica_pool.h"
#include "core/parameter_set.h"
#include "nn/training_state.h"
#include "sluice/model.h"
#include "sluice/preprocessing.h"

namespace sluice {

namespace nn {

// As long as one lives, models that its thread makes have weights of 0: for who has others at hand,
// and need not wait until some are drawn.
class WithoutDrawing {
 public:
  WithoutDrawing() { ++depth_; }
  ~WithoutDrawing() { --depth_; }
  WithoutDrawing(const WithoutDrawing&) = delete;
  WithoutDrawing& operator=(const WithoutDrawing&) = delete;

  static bool is_asked_for() { return depth_ > 0; }

 private:
  static thread_local int depth_;
};

}  // namespace nn

struct Model::Impl {
  // A value of the model: first its inputs, then what call 0, 1, ... give.
  using Value = size_t;
  struct Call {
    size_t layer;
    std::vector<Value> inputs;
    Shape output;
  };

  struct InputValue {
    std::string name;
    Shape shape;
  };

  std::string name;
  bool is_sequential = false;
  std::vector<InputValue> inputs;  // none: a Sequential that does not know its own yet
  std::vector<std::unique_ptr<Layer>> layers;
  std::vector<Call> calls;  // each behind those that it depends on; none while the input is unknown
  std::vector<Value> outputs{0};
  // Of a model that Keras calls with a dictionary, or that gives one: its keys, one for each input
  // or output. Only files keep them; everything else goes by the layers' names.
  std::vector<std::string> input_keys, output_keys;
  std::vector<size_t> order;  // nn::CalledLayers; none of a Sequential
  core::ParameterSet parameters;
  uint64_t seed = 0;
  // Of the last training, here or in the program that wrote the model's file.
  std::optional<nn::TrainingState> training;
  std::optional<Preprocessing> preprocessing;
  // Beside the model's own file, those that it was read from: paths of ONNX' external data.
  std::vector<std::string> other_files;
  // What evaluate() and predict() change in a model that stays as it is; several threads may.
  backend::ReplicaPool compiled;
  mutable std::atomic<bool> warned_of_logits = false, warned_of_scaling = false;
  // The model as a layer of others, as it was when it was first called.
  std::shared_ptr<const Layer> called;

  const Shape& shape_of(Value value) const {
    return value < inputs.size() ? inputs[value].shape : calls[value - inputs.size()].output;
  }
  // The layer that gives it.
  const std::string& name_of(Value value) const {
    return value < inputs.size() ? inputs[value].name
                                 : layers[calls[value - inputs.size()].layer]->name();
  }
  // The first call of the layer, which decides of its weights.
  const Call& call_of(size_t layer) const;
  std::vector<Shape> inputs_of(const Call& call) const;

  void add_input(const Layer& input, const Shape& shape);
  // Gives the layer a name that no other has, unless it has one. Throws std::invalid_argument.
  void name_and_append(std::unique_ptr<Layer> layer);
  // Calls a layer that is in the list.
  Value add_call(size_t layer, std::vector<Value> from);
  // Draws the weights of the layers from this one on, which all have been called.
  void append_weights(size_t first_layer);
  void copy_weights(const Model& from, const std::string& layer);
};

}  // namespace sluice
