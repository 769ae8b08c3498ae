#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <utility>

#include "core/check.h"
#include "core/process_info.h"
#include "nn/arguments.h"
#include "nn/called_layers.h"
#include "nn/initializers.h"
#include "nn/model_impl.h"
#include "nn/naming.h"
#include "nn/nested_model.h"
#include "nn/weight_rules.h"
#include "sluice/errors.h"
#include "sluice/layers/input.h"

namespace sluice {
namespace {

// Each variable has its own stream, named after it, so that its values do not depend on the others.
void draw(uint64_t seed, const core::Variable& variable, const Initializer& initializer,
          std::span<float> values) {
  core::Rng rng(seed, {core::stream_of(variable.name.data(), variable.name.size())});
  nn::fill(nn::parse_initializer({"", ""}, initializer), variable.shape, rng, values);
}

void check_weights(const Layer& layer, const std::vector<WeightSpec>& weights) {
  const std::string who = fmt::format("{} \"{}\"", layer.class_name(), layer.name());
  for (size_t i = 0; i < weights.size(); ++i) {
    nn::require_countable(layer, fmt::format("weight \"{}\"", weights[i].name), weights[i].shape);
    const std::string what = fmt::format("weight \"{}\": initializer", weights[i].name);
    const Initializer parsed =
        nn::parse_initializer({who.c_str(), what.c_str()}, weights[i].initializer);
    if (const std::string problem = nn::shape_problem(parsed, weights[i].shape); !problem.empty()) {
      throw std::invalid_argument(fmt::format("{}: weight \"{}\" {}: the initializer {}", who,
                                              weights[i].name, weights[i].shape.to_string(),
                                              problem));
    }
    (void)nn::weight_rule(who, weights[i]);
    for (size_t j = 0; j < i; ++j) {
      if (weights[i].name == weights[j].name) {
        throw std::invalid_argument(
            fmt::format("{}: two weights named \"{}\"", who, weights[i].name));
      }
    }
  }
}

// Whatever is done with a model, its weights are there twice: in the model and in a replica of it,
// or in the copy that grows with the next layer.
void require_memory(const Layer& layer, const core::ParameterLayout& layout) {
  const double needed = 2.0 * sizeof(float) * static_cast<double>(layout.size());
  const auto available = static_cast<double>(core::usable_memory_bytes());
  if (needed <= available) return;
  throw ShapeError(
      fmt::format("{} \"{}\": with its weights the model has {} parameters, which take {} when it "
                  "is used; this process may have {} of memory",
                  layer.class_name(), layer.name(), layout.size(), core::memory_text(needed),
                  core::memory_text(available)));
}

std::string names_of(const std::vector<std::unique_ptr<Layer>>& layers) {
  std::string names;
  for (const auto& layer : layers) names += " " + layer->name();
  return names;
}

const core::Variable& find_weight(const std::string& model, const core::ParameterLayout& layout,
                                  const std::string& name) {
  std::string names;
  for (const core::Variable& variable : layout.variables()) {
    if (variable.name == name) return variable;
    names += " " + variable.name;
  }
  throw std::invalid_argument(
      fmt::format("model \"{}\" has no weight \"{}\"; its weights are{}", model, name, names));
}

core::ParameterSet copy_of(const core::ParameterSet& from) {
  core::ParameterSet to(from.layout());
  std::copy(from.values().begin(), from.values().end(), to.values().begin());
  return to;
}

// `from` with the weights of `layers` behind it, freshly drawn.
struct LayerWeights {
  const Layer& layer;
  std::vector<WeightSpec> weights;
};
core::ParameterSet extended(const core::ParameterSet& from, const std::vector<LayerWeights>& layers,
                            uint64_t seed) {
  core::ParameterLayout layout = from.layout();
  std::set<std::string> names;
  for (const core::Variable& variable : layout.variables()) names.insert(variable.name);
  for (const auto& [layer, weights] : layers) {
    check_weights(layer, weights);
    for (const WeightSpec& weight : weights) {
      const std::string name = layer.name() + "/" + weight.name;
      // Of layers "a/b", as Keras 2 lets one be called, and "b" in the model "a".
      if (!names.insert(name).second) {
        throw std::invalid_argument(fmt::format(
            "{} \"{}\": another layer has a weight \"{}\" too; give this one another name",
            layer.class_name(), layer.name(), name));
      }
      layout.add(name, weight.shape, weight.trainable);
    }
    require_memory(layer, layout);
  }
  core::ParameterSet to(std::move(layout));
  std::copy(from.values().begin(), from.values().end(), to.values().begin());
  if (nn::WithoutDrawing::is_asked_for()) return to;
  auto variable = to.layout().variables().begin() +
                  static_cast<std::ptrdiff_t>(from.layout().variables().size());
  for (const auto& [layer, weights] : layers) {
    for (const WeightSpec& weight : weights) {
      draw(seed, *variable, weight.initializer, to.values_of(*variable));
      ++variable;
    }
  }
  return to;
}

}  // namespace

thread_local int nn::WithoutDrawing::depth_ = 0;

Model::Model(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Model::~Model() = default;
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;

const std::optional<Preprocessing>& Model::preprocessing() const { return impl_->preprocessing; }

void Model::set_preprocessing(std::optional<Preprocessing> preprocessing) {
  impl_->preprocessing = std::move(preprocessing);
}

Model::Model(const Model& other) : impl_(std::make_unique<Impl>()) {
  const Impl& from = *other.impl_;
  impl_->name = from.name;
  impl_->is_sequential = from.is_sequential;
  impl_->inputs = from.inputs;
  for (const auto& layer : from.layers) impl_->layers.push_back(layer->clone());
  impl_->calls = from.calls;
  impl_->outputs = from.outputs;
  impl_->input_keys = from.input_keys;
  impl_->output_keys = from.output_keys;
  impl_->order = from.order;
  impl_->parameters = copy_of(from.parameters);
  impl_->seed = from.seed;
  impl_->training = from.training;
  impl_->preprocessing = from.preprocessing;
}

Model& Model::operator=(const Model& other) {
  if (this != &other) *this = Model(other);
  return *this;
}

Model::Model(const SymbolicTensor& input, const SymbolicTensor& output, std::string name)
    : Model(std::vector{input}, std::vector{output}, std::move(name)) {}

Model::Model(const std::vector<SymbolicTensor>& inputs, const std::vector<SymbolicTensor>& outputs,
             std::string name)
    : impl_(std::make_unique<Impl>()) {
  impl_->name = std::move(name);
  nn::CalledLayers called = nn::find_called(inputs, outputs);
  for (const SymbolicTensor& input : inputs) impl_->add_input(*input.node()->layer, input.shape());
  for (const Layer* layer : called.layers) impl_->name_and_append(layer->clone());
  for (const nn::CalledLayers::Call& call : called.calls) impl_->add_call(call.layer, call.inputs);
  impl_->outputs = std::move(called.outputs);
  impl_->order = std::move(called.order);
  impl_->append_weights(0);
}

Sequential::Sequential(std::string name) : Model(std::make_unique<Impl>()) {
  impl_->name = std::move(name);
  impl_->is_sequential = true;
}

const Model::Impl::Call& Model::Impl::call_of(size_t layer) const {
  const auto found = std::find_if(calls.begin(), calls.end(),
                                  [layer](const Call& call) { return call.layer == layer; });
  SLUICE_CHECK(found != calls.end()) << "a layer that nobody calls";
  return *found;
}

std::vector<Shape> Model::Impl::inputs_of(const Call& call) const {
  std::vector<Shape> shapes;
  for (const Value value : call.inputs) shapes.push_back(shape_of(value));
  return shapes;
}

// Inputs that have no name of their own are numbered as Keras does.
void Model::Impl::add_input(const Layer& input, const Shape& shape) {
  const auto is_taken = [this](const std::string& other) {
    return std::any_of(inputs.begin(), inputs.end(),
                       [&](const InputValue& earlier) { return earlier.name == other; });
  };
  std::string own = input.name();
  if (own == InputOptions{}.name) {
    for (int n = 1; is_taken(own); ++n) own = fmt::format("{}_{}", input.name(), n);
  }
  if (is_taken(own)) {
    throw std::invalid_argument(fmt::format(
        "Model \"{}\": two inputs named \"{}\"; give one of them another name", name, own));
  }
  inputs.push_back({std::move(own), shape});
}

void Model::Impl::name_and_append(std::unique_ptr<Layer> layer) {
  if (layer->name().empty()) layer->set_name(nn::next_name(layer->class_name(), layers));
  for (const auto& earlier : layers) {
    if (earlier->name() == layer->name()) {
      throw std::invalid_argument(
          fmt::format("{} \"{}\": two layers named \"{}\"; give one of them another name",
                      is_sequential ? "Sequential" : "Model", name, layer->name()));
    }
  }
  for (const InputValue& input : inputs) {
    if (input.name != layer->name()) continue;
    throw std::invalid_argument(
        fmt::format("{} \"{}\": an input and a layer named \"{}\"; give one of them another name",
                    is_sequential ? "Sequential" : "Model", name, layer->name()));
  }
  layers.push_back(std::move(layer));
}

Model::Impl::Value Model::Impl::add_call(size_t index, std::vector<Value> from) {
  const Layer& layer = *layers[index];
  Call call{index, std::move(from), {}};
  const std::vector<Shape> shapes = inputs_of(call);
  call.output = layer.merged_shape(shapes);
  nn::require_countable(layer, "output", call.output);
  for (const Call& other : calls) {
    if (other.layer != index) continue;
    const Shape expected = inputs_of(other).front();
    if (layer.weights(expected) == layer.weights(shapes.front())) break;
    nn::throw_shape_error(layer, "an input that the weights of " + expected.to_string() + " fit",
                          shapes.front());
  }
  calls.push_back(std::move(call));
  return inputs.size() + calls.size() - 1;
}

void Model::Impl::append_weights(size_t first_layer) {
  std::vector<LayerWeights> added;
  for (size_t i = first_layer; i < layers.size(); ++i) {
    added.push_back({*layers[i], layers[i]->weights(inputs_of(call_of(i)).front())});
  }
  const bool any = std::any_of(added.begin(), added.end(),
                               [](const LayerWeights& layer) { return !layer.weights.empty(); });
  if (any) {
    parameters = extended(parameters, added, seed);
    // The optimizer has nothing for the new weights: it begins anew.
    if (training) training->optimizer_state = {};
  }
  for (const LayerWeights& layer : added) {
    const auto* nested = dynamic_cast<const nn::NestedModel*>(&layer.layer);
    if (nested != nullptr) copy_weights(nested->model(), nested->name());
  }
}

// A model inside this one, with this name, brings its weights with it.
void Model::Impl::copy_weights(const Model& from, const std::string& layer) {
  for (const core::Variable& variable : from.parameters().layout().variables()) {
    const core::Variable& own = find_weight(name, parameters.layout(), layer + "/" + variable.name);
    const auto values = from.parameters().values_of(variable);
    std::copy(values.begin(), values.end(), parameters.values_of(own).begin());
  }
}

Sequential& Sequential::add(std::unique_ptr<Layer> layer) {
  Impl& impl = *impl_;
  if (const auto* input = dynamic_cast<const Input*>(layer.get())) {
    if (!impl.inputs.empty() || !impl.layers.empty()) {
      throw std::invalid_argument(fmt::format(
          "Sequential \"{}\": Input must be the first layer, and the only one", impl.name));
    }
    impl.add_input(*input, input->shape());
    return *this;
  }
  impl.compiled.clear();
  impl.name_and_append(std::move(layer));
  if (impl.inputs.empty()) return *this;
  const size_t index = impl.layers.size() - 1;
  const size_t calls = impl.calls.size();
  try {
    const Impl::Value output = impl.add_call(index, {impl.outputs.front()});
    impl.append_weights(index);
    impl.outputs = {output};
  } catch (...) {
    impl.calls.resize(calls);
    impl.layers.pop_back();
    throw;
  }
  return *this;
}

const std::string& Model::name() const { return impl_->name; }

const std::vector<std::unique_ptr<Layer>>& Model::layers() const { return impl_->layers; }

bool Model::built() const { return !impl_->inputs.empty() && !impl_->layers.empty(); }

std::vector<Shape> Model::input_shapes() const {
  if (impl_->inputs.empty()) {
    throw ShapeError(fmt::format(
        "Sequential \"{}\": the input shape is not known; add an Input first", impl_->name));
  }
  std::vector<Shape> shapes;
  for (const Impl::InputValue& input : impl_->inputs) shapes.push_back(input.shape);
  return shapes;
}

std::vector<Shape> Model::output_shapes() const {
  (void)input_shapes();
  std::vector<Shape> shapes;
  for (const Impl::Value output : impl_->outputs) shapes.push_back(impl_->shape_of(output));
  return shapes;
}

const Shape& Model::input_shape() const {
  if (input_shapes().size() == 1) return impl_->inputs.front().shape;
  throw ShapeError(fmt::format("model \"{}\" has {} inputs: ask for input_shapes()", impl_->name,
                               impl_->inputs.size()));
}

Shape Model::output_shape() const {
  const std::vector<Shape> shapes = output_shapes();
  if (shapes.size() == 1) return shapes.front();
  throw ShapeError(fmt::format("model \"{}\" has {} outputs: ask for output_shapes()", impl_->name,
                               shapes.size()));
}

std::vector<std::string> Model::input_names() const {
  std::vector<std::string> names;
  for (const Impl::InputValue& input : impl_->inputs) names.push_back(input.name);
  return names;
}

std::vector<std::string> Model::output_names() const {
  (void)input_shapes();
  std::vector<std::string> names;
  for (const Impl::Value output : impl_->outputs) {
    const std::string& name = impl_->name_of(output);
    std::string own = name;
    const auto is_taken = [&] { return std::find(names.begin(), names.end(), own) != names.end(); };
    for (int n = 1; is_taken(); ++n) own = fmt::format("{}_{}", name, n);
    names.push_back(std::move(own));
  }
  return names;
}

size_t Model::count_params() const { return impl_->parameters.layout().size(); }

void Model::initialize(uint64_t seed) {
  impl_->seed = seed;
  if (impl_->calls.empty()) return;
  auto variable = impl_->parameters.layout().variables().begin();
  for (size_t i = 0; i < impl_->layers.size(); ++i) {
    const Shape input = impl_->inputs_of(impl_->call_of(i)).front();
    for (const WeightSpec& weight : impl_->layers[i]->weights(input)) {
      draw(seed, *variable, weight.initializer, impl_->parameters.values_of(*variable));
      ++variable;
    }
  }
}

const Layer& Model::get_layer(const std::string& name) const {
  for (const auto& layer : impl_->layers) {
    if (layer->name() == name) return *layer;
  }
  throw std::invalid_argument(fmt::format("model \"{}\" has no layer \"{}\"; its layers are{}",
                                          impl_->name, name, names_of(impl_->layers)));
}

Layer& Model::get_layer(const std::string& name) {
  return const_cast<Layer&>(std::as_const(*this).get_layer(name));
}

std::vector<float> Model::get_weights(const std::string& name) const {
  const std::span<const float> values =
      impl_->parameters.values_of(find_weight(impl_->name, impl_->parameters.layout(), name));
  return {values.begin(), values.end()};
}

void Model::set_weights(const std::string& name, std::span<const float> values) {
  const core::Variable& variable = find_weight(impl_->name, impl_->parameters.layout(), name);
  if (values.size() != variable.size()) {
    throw ShapeError(fmt::format("weight \"{}\" {}: expected {} floats, got {}", name,
                                 variable.shape.to_string(), variable.size(), values.size()));
  }
  std::copy(values.begin(), values.end(), impl_->parameters.values_of(variable).begin());
}

core::ParameterSet& Model::parameters() { return impl_->parameters; }
const core::ParameterSet& Model::parameters() const { return impl_->parameters; }

}  // namespace sluice
