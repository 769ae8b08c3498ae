#include <fmt/core.h>

#include <algorithm>

#include "core/process_info.h"
#include "nn/arguments.h"
#include "nn/initializers.h"
#include "nn/naming.h"
#include "nn/sequential_impl.h"
#include "sluice/errors.h"
#include "sluice/layers/input.h"

namespace sluice {
namespace {

// Each variable has its own stream, named after it, so that its values do not depend on the others.
void draw(uint64_t seed, const core::Variable& variable, const std::string& initializer,
          std::span<float> values) {
  core::Rng rng(seed, {core::stream_of(variable.name.data(), variable.name.size())});
  nn::find_initializer(initializer)->fill(variable.shape, rng, values);
}

void check_weights(const Layer& layer, const std::vector<WeightSpec>& weights) {
  const std::string who = fmt::format("{} \"{}\"", layer.class_name(), layer.name());
  for (size_t i = 0; i < weights.size(); ++i) {
    nn::require_countable(layer, fmt::format("weight \"{}\"", weights[i].name), weights[i].shape);
    if (nn::find_initializer(weights[i].initializer) == nullptr) {
      throw std::invalid_argument(
          fmt::format("{}: weight \"{}\": initializer \"{}\": use one of {}", who, weights[i].name,
                      weights[i].initializer, nn::initializer_names()));
    }
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

core::ParameterSet copy_of(const core::ParameterSet& from) {
  core::ParameterSet to(from.layout());
  std::copy(from.values().begin(), from.values().end(), to.values().begin());
  return to;
}

// `from` with a layer's weights behind it, freshly drawn.
core::ParameterSet extended(const core::ParameterSet& from, const Layer& layer,
                            const std::vector<WeightSpec>& weights, uint64_t seed) {
  core::ParameterLayout layout = from.layout();
  for (const WeightSpec& weight : weights) {
    layout.add(layer.name() + "/" + weight.name, weight.shape);
  }
  require_memory(layer, layout);
  core::ParameterSet to(std::move(layout));
  std::copy(from.values().begin(), from.values().end(), to.values().begin());
  const size_t first = from.layout().variables().size();
  for (size_t i = 0; i < weights.size(); ++i) {
    const core::Variable& variable = to.layout().variables()[first + i];
    draw(seed, variable, weights[i].initializer, to.values_of(variable));
  }
  return to;
}

}  // namespace

Sequential::Sequential(std::string name) : impl_(std::make_unique<Impl>()) {
  impl_->name = std::move(name);
}

Sequential::~Sequential() = default;
Sequential::Sequential(Sequential&&) noexcept = default;
Sequential& Sequential::operator=(Sequential&&) noexcept = default;

Sequential::Sequential(const Sequential& other) : Sequential(other.impl_->name) {
  const Impl& from = *other.impl_;
  impl_->input_name = from.input_name;
  impl_->input = from.input;
  for (const auto& layer : from.layers) impl_->layers.push_back(layer->clone());
  impl_->outputs = from.outputs;
  impl_->parameters = copy_of(from.parameters);
  impl_->seed = from.seed;
}

Sequential& Sequential::operator=(const Sequential& other) {
  if (this != &other) *this = Sequential(other);
  return *this;
}

Sequential& Sequential::add(std::unique_ptr<Layer> layer) {
  Impl& impl = *impl_;
  if (const auto* input = dynamic_cast<const Input*>(layer.get())) {
    if (impl.input || !impl.layers.empty()) {
      throw std::invalid_argument(fmt::format(
          "Sequential \"{}\": Input must be the first layer, and the only one", impl.name));
    }
    impl.input = input->shape();
    impl.input_name = input->name();
    return *this;
  }
  if (layer->name().empty()) layer->set_name(nn::next_name(layer->class_name(), impl.layers));
  for (const auto& earlier : impl.layers) {
    if (earlier->name() == layer->name()) {
      throw std::invalid_argument(
          fmt::format("Sequential \"{}\": two layers named \"{}\"; give one of them another name",
                      impl.name, layer->name()));
    }
  }
  impl.compiled.clear();
  if (impl.input) {
    const Shape& input = impl.input_of(impl.layers.size());
    Shape output = layer->output_shape(input);
    nn::require_countable(*layer, "output", output);
    const std::vector<WeightSpec> weights = layer->weights(input);
    check_weights(*layer, weights);
    if (!weights.empty()) {
      impl.parameters = extended(impl.parameters, *layer, weights, impl.seed);
    }
    impl.outputs.push_back(std::move(output));
  }
  impl.layers.push_back(std::move(layer));
  return *this;
}

const std::string& Sequential::name() const { return impl_->name; }

const std::vector<std::unique_ptr<Layer>>& Sequential::layers() const { return impl_->layers; }

bool Sequential::built() const { return impl_->input.has_value() && !impl_->layers.empty(); }

const Shape& Sequential::input_shape() const {
  if (!impl_->input) {
    throw ShapeError(fmt::format(
        "Sequential \"{}\": the input shape is not known; add an Input first", impl_->name));
  }
  return *impl_->input;
}

Shape Sequential::output_shape() const {
  const Shape& input = input_shape();
  return impl_->outputs.empty() ? input : impl_->outputs.back();
}

size_t Sequential::count_params() const { return impl_->parameters.layout().size(); }

void Sequential::initialize(uint64_t seed) {
  impl_->seed = seed;
  auto variable = impl_->parameters.layout().variables().begin();
  for (size_t i = 0; i < impl_->outputs.size(); ++i) {
    for (const WeightSpec& weight : impl_->layers[i]->weights(impl_->input_of(i))) {
      draw(seed, *variable, weight.initializer, impl_->parameters.values_of(*variable));
      ++variable;
    }
  }
}

core::ParameterSet& Sequential::parameters() { return impl_->parameters; }
const core::ParameterSet& Sequential::parameters() const { return impl_->parameters; }

}  // namespace sluice
