// A stack of layers, as keras.Sequential.
//
//   Sequential model;
//   model.add(Input({28, 28, 1}));
//   model.add(Conv2D({.filters = 32, .kernel_size = {3, 3}, .activation = "relu"}));
//   model.add(Flatten());
//   model.add(Dense({.units = 10, .activation = "softmax"}));
//   std::cout << model.summary();
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/layer.h"
#include "sluice/optimizers.h"

namespace sluice {

class Dataset;

namespace core {
class ParameterSet;
}

// Losses, by Keras' names, for a sample with outputs p [K] and the class number c of its record;
// y [K] is 1 at c and 0 elsewhere. A batch's loss is the mean over its samples.
//
//   categorical_crossentropy          -sum_k y_k log p_k     K is the number of classes
//   sparse_categorical_crossentropy   -log p_c               K is at least that
//   mse, mean_squared_error           mean_k (y_k - p_k)^2   K is the number of classes
//
// Records carry class numbers, so the two crossentropies give the same here. Behind a softmax they
// are computed from its logits; other outputs are scaled to sum 1 and clipped to [1e-7, 1 - 1e-7].

// What fit() and evaluate() return, as Keras' History and return_dict.
struct Metrics {
  double loss = 0;      // mean over the samples
  double accuracy = 0;  // fraction of the samples whose first largest output is at their class
};
struct EpochHistory {
  Metrics train;  // of the parameters as they were at each step
  std::optional<Metrics> validation;
  double seconds = 0;
};

struct FitOptions {
  int64_t batch_size = 32;  // samples; the last batch of an epoch may be smaller
  int epochs = 1;
  OptimizerSpec optimizer = "adam";
  std::string loss = "categorical_crossentropy";
  double validation_split = 0;  // the last records, as Keras
  bool shuffle = true;
  uint64_t seed = 0;
  int threads = 0;                    // 0: all cores
  int verbose = 1;                    // 0 silent, 1 progress bar on a terminal, 2 a line per epoch
  std::string device = "auto";        // a GPU where there is one; "cpu", "cuda", "cuda:1"
  int64_t gpu_memory_mib = 0;         // of the GPU at most; 0: no bound
  std::string precision = "float32";  // "tf32", or "mixed_bfloat16" as Keras' dtype policy
  bool deterministic = false;         // on GPUs: only algorithms that give the same bits every time
};

struct EvaluateOptions {
  int64_t batch_size = 128;
  std::string loss = "categorical_crossentropy";
  int threads = 0;
  std::string device = "auto";
  int64_t gpu_memory_mib = 0;
};

// Every call compiles the model anew, which takes seconds for a GPU: hence the CPU.
struct PredictOptions {
  int64_t batch_size = 128;
  int threads = 0;
  std::string device = "cpu";
  int64_t gpu_memory_mib = 0;
};

// Not thread-safe. Copies are deep.
class Sequential {
 public:
  explicit Sequential(std::string name = "sequential");
  ~Sequential();
  Sequential(const Sequential& other);
  Sequential& operator=(const Sequential& other);
  Sequential(Sequential&&) noexcept;
  Sequential& operator=(Sequential&&) noexcept;

  // Throws ShapeError when the layer cannot take the output of the one before it, and
  // std::invalid_argument for a name that is taken or an Input that is not the first.
  template <typename L>
  Sequential& add(L layer) {
    return add(std::unique_ptr<Layer>(std::make_unique<L>(std::move(layer))));
  }
  Sequential& add(std::unique_ptr<Layer> layer);

  const std::string& name() const;
  const std::vector<std::unique_ptr<Layer>>& layers() const;  // without the Input
  bool built() const;                // whether the input shape is known and there are layers
  const Shape& input_shape() const;  // throws ShapeError before it is known
  Shape output_shape() const;
  size_t count_params() const;

  // Draws all weights anew by their layers' initializers; the same for the same seed. A model has
  // weights of seed 0 from the start.
  void initialize(uint64_t seed);

  // Keras 3's table: layers, output shapes, parameters.
  std::string summary() const;

  // The architecture as Keras' JSON (model.to_json()), readable by Keras 2 and 3.
  std::string to_json() const;
  // From the JSON of Keras 2, Keras 3 or to_json(). Throws std::invalid_argument, naming the layer,
  // for what Sluice does not have, and ShapeError for layers that do not fit.
  static Sequential from_json(std::string_view json);

  // Weights in Sluice's checkpoint file: versioned, checksummed, written to a temporary file and
  // renamed. Throws RuntimeError for a file that cannot be written, is damaged, or is of another
  // model.
  void save_weights(const std::string& path) const;
  void load_weights(const std::string& path);

  // Trains in this process, without any server. Throws std::invalid_argument for options that make
  // no sense, ShapeError (which is one) for records that the model cannot take, and RuntimeError
  // for a device that is not there.
  std::vector<EpochHistory> fit(const Dataset& dataset, const FitOptions& options = {});
  // Throws as fit() does.
  Metrics evaluate(const Dataset& dataset, const EvaluateOptions& options = {}) const;
  // [n, output...] for x [n, input...], both row-major. Throws ShapeError unless x holds at least
  // one sample and whole ones only.
  std::vector<float> predict(std::span<const float> x, const PredictOptions& options = {}) const;

  // The weights in one buffer. For Sluice's own code.
  core::ParameterSet& parameters();
  const core::ParameterSet& parameters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A model from what save_weights() wrote: architecture and weights. Throws RuntimeError for a file
// that cannot be read or is damaged, and std::invalid_argument for a layer that this program does
// not know (register_layer() first).
Sequential load_model(const std::string& path);

}  // namespace sluice
