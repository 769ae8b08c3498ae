// Models, as keras.Sequential and keras.Model: described, trained in this process, evaluated, used.
//
//   Sequential model;
//   model.add(Input({28, 28, 1}));
//   model.add(Conv2D({.filters = 32, .kernel_size = {3, 3}, .activation = "relu"}));
//   model.add(Flatten());
//   model.add(Dense({.units = 10, .activation = "softmax"}));
//   std::cout << model.summary();
//
//   const TrainTest data = mnist();
//   model.fit(data.train, {.batch_size = 64, .epochs = 5, .optimizer = Adam()});
//   std::cout << model.evaluate(data.test).accuracy << "\n";
//   model.save("model.keras");
//
// For training in several processes see sluice/trainer.h.
#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/layer.h"
#include "sluice/losses.h"
#include "sluice/metrics.h"
#include "sluice/optimizers.h"
#include "sluice/preprocessing.h"

namespace sluice {

class Dataset;

namespace core {
class ParameterSet;
}

// One epoch of fit() or of Trainer::train().
struct EpochHistory {
  Metrics train;                      // of the parameters as they were at each step
  std::optional<Metrics> validation;  // of those at the epoch's end; none without validation_split
  // Of the epoch. In a job with several workers from the moment that the last sample of the epoch
  // before it was counted to the one when its own was; of the first epoch from the start.
  double seconds = 0;
  // The loss in training is no number, or no better than guessing: see TrainingReport::died.
  bool died = false;
};

// What a layer of a model comes to.
struct LayerSummary {
  std::string name, class_name;
  Shape output_shape{};  // of one sample, of the layer's first call
  size_t parameters = 0, trainable_parameters = 0;
  // Products that are summed up for one sample in the forward pass, by convolutions and dense
  // layers, in all calls of the layer.
  int64_t multiply_adds = 0;
  // The layers and Inputs whose outputs it takes, call after call.
  std::vector<std::string> inbound_layers{};
};

// What fit() is told. Defaults are Keras' where Keras has the option. Values that make no sense are
// refused with std::invalid_argument before anything is trained.
struct FitOptions {
  // Samples in a mini-batch. The last one of an epoch may be smaller; what is larger than the
  // dataset is one batch.
  int64_t batch_size = 32;
  int epochs = 1;  // passes over the dataset
  // Given, it begins anew, as with Keras' compile(). Otherwise the model's own goes on where it has
  // come to, with all its state, in an earlier call or in the file that the model was loaded from;
  // Adam where it has none.
  std::optional<OptimizerSpec> optimizer{};
  // Not given, nor `losses`: what the model was trained with, else "categorical_crossentropy".
  std::optional<LossSpec> loss{};
  // Of a model with several outputs, by their names (Model::output_names()): losses other than
  // `loss`, and how much each counts in the sum that is trained, 1 where nothing else is said.
  std::map<std::string, LossSpec> losses = {};
  std::map<std::string, double> loss_weights = {};
  std::vector<std::string> metrics = {"accuracy"};  // sluice/metrics.h
  // How much the loss of a record of each class counts, in training; 1 for those that are not
  // there. A batch's loss is the sum of weights times losses, divided by the number of samples, as
  // in Keras. Only for datasets of classes. Weights are finite and at least 0.
  std::map<int, float> class_weight = {};
  // The share of the dataset, its last records, that is kept for validation; 0: none.
  double validation_split = 0;
  bool shuffle = true;  // the records anew for each epoch
  uint64_t seed = 0;    // of shuffling; the same seed and threads give the same bits
  // That a step may use, 256 at most; 0: all cores. More than one wait for each other by spinning,
  // which is slow where others work on the same cores: start the program with
  // OMP_WAIT_POLICY=passive there.
  int threads = 0;
  int verbose = 1;  // 0 silent, 1 progress bar on a terminal, 2 a line per epoch; on stderr
  // "auto" (a GPU where there is one), "cpu", "cuda" or "cuda:1".
  std::string device = "auto";
  int64_t gpu_memory_mib = 0;  // of the GPU at most; 0: no bound
  // "float32"; "tf32", where GPUs round the factors of products to 10 bits; or "mixed_bfloat16", as
  // Keras' dtype policy: convolutions, dense layers and poolings compute in bfloat16.
  std::string precision = "float32";
  // On GPUs only algorithms that give the same bits every time; on the CPU all do.
  bool deterministic = false;
};

// What evaluate() is told; as in FitOptions.
struct EvaluateOptions {
  int64_t batch_size = 128;
  std::optional<LossSpec> loss{};
  std::map<std::string, LossSpec> losses = {};
  std::map<std::string, double> loss_weights = {};
  std::vector<std::string> metrics = {"accuracy"};
  int threads = 0;
  std::string device = "auto";
  int64_t gpu_memory_mib = 0;
  int verbose = 0;  // 1: on a terminal, how many records are done; on stderr
};

// What predict() is told; as in FitOptions. The first call with the same options compiles the
// model, which takes seconds for a GPU: hence the CPU.
struct PredictOptions {
  int64_t batch_size = 128;
  int threads = 0;
  std::string device = "cpu";
  int64_t gpu_memory_mib = 0;
};

// Layers, their shapes and their weights, all weights in one buffer of floats. Made from layers
// that have been called, one for what another gives:
//
//   const Input image({32, 32, 3});
//   const Conv2DOptions same{.filters = 16, .kernel_size = {3, 3}, .padding = "same"};
//   const auto x = Conv2D(same)(image);
//   const auto y = Add()({x, Conv2D(same)(x)});
//   Model model(image, Dense({.units = 10, .activation = "softmax"})(Flatten()(y)));
//
// The layers are copied into the model, and named there as Keras does; a layer that was called
// twice is in it once. Another model made from the same layers has weights of its own, other than
// in Keras.
//
// One object is used by one thread at a time; but evaluate() and predict() may be called by several
// at the same time while nobody changes it. They compile the model when they are first called, and
// keep what they have compiled, with a copy of the weights for each thread. Copies are deep: layers
// and weights.
// Keras: keras.Model.
class Model {
 public:
  // Throws ShapeError when this machine's memory cannot hold the weights or a layer that is called
  // again would need others, and std::invalid_argument when the output does not come from the input
  // alone or two layers have one name.
  Model(const SymbolicTensor& input, const SymbolicTensor& output, std::string name = "functional");
  // Of several inputs, or with several outputs, in this order: Model({image, text}, {classes,
  // box}). Throws also when an input is given twice or no output depends on it.
  Model(const std::vector<SymbolicTensor>& inputs, const std::vector<SymbolicTensor>& outputs,
        std::string name = "functional");
  ~Model();
  Model(const Model& other);
  Model& operator=(const Model& other);
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;

  // The model as a layer of another: what it gives for such inputs, one for each of its own. The
  // other model has a copy of its layers and weights, as they were at the first call, under this
  // one's name, "functional/dense/kernel"; training one leaves the other as it is, other than in
  // Keras. Throws ShapeError for inputs of other shapes and for a model that is not built,
  // std::invalid_argument for one of several outputs.
  SymbolicTensor operator()(const SymbolicTensor& input) const;
  SymbolicTensor operator()(const std::vector<SymbolicTensor>& inputs) const;

  const std::string& name() const;
  // In Keras' order, without the Inputs.
  const std::vector<std::unique_ptr<Layer>>& layers() const;
  // The layer of this name, to be looked at or frozen (set_trainable). Throws std::invalid_argument
  // where there is none.
  Layer& get_layer(const std::string& name);
  const Layer& get_layer(const std::string& name) const;
  // Whether the input's shape is known and there are layers.
  bool built() const;
  // Shapes of one sample, without the batch. All throw ShapeError before the input's is known;
  // those of one input or one output also where there are several.
  const Shape& input_shape() const;
  Shape output_shape() const;
  std::vector<Shape> input_shapes() const;
  std::vector<Shape> output_shapes() const;
  // The names of the Inputs, and of the layers that give the outputs, by which these are told
  // apart: "dense", and of a layer that gives two of them "dense_1". Keras: input_names,
  // output_names.
  std::vector<std::string> input_names() const;
  std::vector<std::string> output_names() const;
  // Of all weights together, the number of floats.
  size_t count_params() const;

  // Draws all weights anew by their layers' initializers; the same for the same seed, on every
  // machine. A model has weights of seed 0 from the start.
  void initialize(uint64_t seed);

  // Keras 3's table: layers, output shapes, parameters, and of a model that is no chain what each
  // layer is connected to. Several lines of UTF-8.
  std::string summary() const;
  // As numbers, of each layer in layers()' order. Throws ShapeError for a model that is not built.
  std::vector<LayerSummary> layer_summaries() const;

  // The architecture, without weights, as Keras' JSON (model.to_json()), readable by Keras 2 and 3.
  std::string to_json() const;
  // From the JSON of Keras 2, Keras 3 or to_json(). The weights are those of seed 0. Throws
  // std::invalid_argument, naming the layer, for what Sluice does not have, and ShapeError for
  // layers that do not fit.
  static Model from_json(std::string_view json);

  // Writes the model, in the format of the name:
  //
  //   x.keras          Keras 3's: layers, weights, what fit() was told, the optimizer's state
  //   x.h5, x.hdf5     Keras' older one, of 2 and 3: without the optimizer's state
  //   x.weights.h5     weights alone
  //   x.json           layers alone, to_json()
  //   x.onnx           ONNX, opset 17
  //   models/1/        TensorFlow's SavedModel, a folder that must not be there; those around it
  //                    are made
  //   any other        Sluice's own checkpoint: versioned, checksummed
  //
  // All but the JSON also have the preprocessing(), where other programs pass over it. A file is
  // written beside and renamed, so that it is whole or absent. Throws RuntimeError where it cannot
  // be written, std::invalid_argument for an ending of other formats, such as ".pb".
  void save(const std::string& path) const;
  // The same: x.weights.h5 has the weights alone, others the layers with them.
  void save_weights(const std::string& path) const;
  // From a file of any format that has weights: of an .h5, in the order of the layers, as Keras
  // does; of others, variables of the same names and shapes. The preprocessing() comes with them,
  // unless the model has its own, which counts: where the two differ, a warning is logged. Throws
  // RuntimeError for a file that cannot be read, is damaged, or is of another model; the weights
  // then stay as they were.
  void load_weights(const std::string& path);

  // What the dataset of the last fit() or train() did to its records, or that of the program that
  // wrote the model's file; unknown of a model that nobody trained.
  const std::optional<Preprocessing>& preprocessing() const;
  void set_preprocessing(std::optional<Preprocessing> preprocessing);

  // Trains in this process, without any server, and leaves the trained weights in the model, and
  // the optimizer's state; one entry per epoch is returned. Each call begins with the same order of
  // records. Throws std::invalid_argument for options that make no sense, ShapeError (which is one)
  // for records that the model cannot take, and RuntimeError for a device that is not there or a
  // file of the dataset that is written to meanwhile; the weights are then as they were.
  std::vector<EpochHistory> fit(const Dataset& dataset, const FitOptions& options = {});
  // Loss and accuracy over all records, in inference mode (no dropout) and float32. Throws as fit()
  // does.
  Metrics evaluate(const Dataset& dataset, const EvaluateOptions& options = {}) const;
  // The outputs [n, output...] for x [n, input...], both row-major, in inference mode. Throws
  // ShapeError unless x holds at least one sample and whole ones only, or the model has several
  // inputs or outputs; otherwise as fit().
  std::vector<float> predict(std::span<const float> x, const PredictOptions& options = {}) const;
  // The same of models with several: x has one array for each input, of as many samples, and what
  // is returned one for each output.
  std::vector<std::vector<float>> predict(const std::vector<std::span<const float>>& x,
                                          const PredictOptions& options = {}) const;

  // One weight by its name, the layer's and its own: "dense/kernel"; row-major. Both throw
  // std::invalid_argument for a name that the model does not have, set_weights() ShapeError for
  // another number of floats.
  std::vector<float> get_weights(const std::string& name) const;
  void set_weights(const std::string& name, std::span<const float> values);

  // The weights in one buffer. For Sluice's own code.
  core::ParameterSet& parameters();
  const core::ParameterSet& parameters() const;
  // Likewise.
  struct Impl;
  Impl& impl() { return *impl_; }
  const Impl& impl() const { return *impl_; }

 protected:
  explicit Model(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A stack of layers, each of which gets what the one before it gives.
//
// Without an Input the model is only a list of layers, not built: it has no shapes and no weights,
// and what needs them throws ShapeError. A first layer in JSON may carry the input's shape.
// Keras: keras.Sequential.
class Sequential : public Model {
 public:
  explicit Sequential(std::string name = "sequential");

  // Appends a layer, names it unless it has a name, and draws its weights. Returns this. Throws
  // ShapeError when the layer cannot take the output of the one before it or when this machine's
  // memory cannot hold its weights, and std::invalid_argument for a name that is taken or an Input
  // that is not the first; the model is then as it was.
  template <std::derived_from<Layer> L>
  Sequential& add(L layer) {
    return add(std::unique_ptr<Layer>(std::make_unique<L>(std::move(layer))));
  }
  Sequential& add(std::unique_ptr<Layer> layer);
  // A model as a layer, with its weights as they are.
  Sequential& add(const Model& model);
};

// A model from a file, of any format that save() writes but SavedModel and weights alone, told by
// its content; from ONNX also what PyTorch exports, where Sluice has the layers. With all that the
// file has: weights (without: those of seed 0), losses and the optimizer's state, with which fit()
// goes on, preprocessing. Throws RuntimeError for a file that cannot be read or is damaged, and
// std::invalid_argument for a layer that this program does not know (register_layer() first).
Model load_model(const std::string& path);

}  // namespace sluice
