#include "train/evaluation.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "core/cores.h"
#include "core/count_text.h"
#include "core/log.h"
#include "core/parameter_set.h"
#include "loss/traits.h"
#include "nn/activations.h"
#include "nn/lowering.h"
#include "nn/model_impl.h"
#include "sluice/dataset.h"
#include "sluice/errors.h"
#include "train/job_config.h"
#include "train/validate.h"
#include "worker/partition_batches.h"

namespace sluice::train {
backend::DeviceOptions device_options(const std::string& name, int64_t gpu_memory_mib) {
  return {.name = name, .gpu_memory_bytes = gpu_memory_mib << 20};
}

std::shared_ptr<backend::Backend> open_backend_or_throw(const backend::DeviceOptions& options) {
  auto backend = backend::open_backend(options);
  if (!backend.ok()) throw RuntimeError(backend.status().message());
  return *backend;
}

namespace {

// The same numbers in the same order: an image of one channel with or without it, or a flat vector.
bool takes(const Shape& input, const Shape& record) {
  const auto without_ones = [](const Shape& shape) {
    std::vector<int64_t> dims = shape.dims();
    std::erase(dims, 1);
    return dims;
  };
  return input.size() == record.size() &&
         (input.rank() == 1 || without_ones(input) == without_ones(record));
}

// A record has one class number, not one for each position of an output [T..., K].
void check_one_position(const Model& model, const data::RecordsInfo& info) {
  const Shape output = model.output_shape();
  if (output.rank() == 0 || output.dims().back() == output.size()) return;
  throw ShapeError(fmt::format(
      "model \"{}\" has the output {}: sparse_categorical_crossentropy takes a class number for "
      "each of its positions, but a record of {} has one; use categorical_crossentropy, or a "
      "Flatten before",
      model.name(), output.to_string(), info.name));
}

// Targets that are numbers.
void check_numbers(const Model& model, const data::RecordsInfo& info, const LossSpec& loss) {
  const loss::Traits traits = loss::traits_of(loss);
  if (traits.class_target == loss::ClassTarget::kNumber) {
    throw std::invalid_argument(
        fmt::format("loss {} compares class numbers, but the targets of {} are numbers to predict: "
                    "use mse",
                    loss.name(), info.name));
  }
  const int64_t outputs = model.output_shape().size();
  if (outputs == 1 && traits.link == loss::Link::kSoftmax) {
    throw std::invalid_argument(fmt::format(
        "loss {} of a single output is 0 whatever it says: use mse for the numbers of {}, or "
        "binary_crossentropy where they are 0 and 1",
        loss.name(), info.name));
  }
  if (outputs != info.values) {
    throw ShapeError(fmt::format("model \"{}\" has {}, but a target of {} is {}", model.name(),
                                 core::counted(outputs, "output", "outputs"), info.name,
                                 core::counted(info.values, "number", "numbers")));
  }
}

// How many outputs the classes need.
int64_t outputs_for(const data::RecordsInfo& info, const LossSpec& loss) {
  const auto* sparse = std::get_if<SparseCategoricalCrossentropy>(&loss.loss);
  const bool last_is_ignored = sparse != nullptr && sparse->ignore_class == info.classes - 1;
  return last_is_ignored ? std::max(info.classes - 1, 1) : info.classes;
}

// What may help where outputs and classes do not agree.
const char* outputs_hint(int64_t outputs, const data::RecordsInfo& info, const LossSpec& loss) {
  if (outputs == 1 && info.classes == 2) {
    return "; one output tells two classes apart where the loss is binary_crossentropy";
  }
  const bool of_classes = loss::traits_of(loss).predicts == loss::Predicts::kClasses;
  if (outputs == 1 && of_classes) return "; to predict numbers, the loss is mse";
  if (outputs + 1 == info.classes) return "; classes are numbered from 0";
  return "";
}

// Whether an activation gives probabilities.
bool is_link(backend::Activation activation) {
  return activation == backend::Activation::kSoftmax || activation == backend::Activation::kSigmoid;
}

}  // namespace

bool predicts_numbers(const Model& model, const LossSpec& loss) {
  return loss::traits_of(loss).predicts == loss::Predicts::kNumbers &&
         model.output_shape().size() == 1;
}

bool has_accuracy(const data::RecordsInfo& info, const LossSpec& loss) {
  return info.classes > 0 || loss::traits_of(loss).predicts == loss::Predicts::kClasses;
}

Metrics mean_metrics(const backend::StepMetrics& sums, bool has_accuracy) {
  const auto samples = static_cast<double>(std::max<int64_t>(sums.samples, 1));
  return {sums.loss_sum / samples, has_accuracy ? static_cast<double>(sums.correct) / samples
                                                : std::numeric_limits<double>::quiet_NaN()};
}

void check_fits(const Model& model, const data::RecordsInfo& info, const LossSpec& loss) {
  if (!takes(model.input_shape(), info.sample_shape)) {
    throw ShapeError(fmt::format("model \"{}\" takes {}, but the records of {} are {}",
                                 model.name(), model.input_shape().to_string(), info.name,
                                 info.sample_shape.to_string()));
  }
  const int64_t outputs = model.output_shape().size();
  if (info.classes == 0) return check_numbers(model, info, loss);
  const loss::ClassTarget target = loss::traits_of(loss).class_target;
  const bool number = target == loss::ClassTarget::kNumber;
  if (number) check_one_position(model, info);
  const int64_t needed = outputs_for(info, loss);
  const bool one_for_two = target == loss::ClassTarget::kNumberOfOne && outputs == 1 && needed == 2;
  if (one_for_two || (number ? outputs >= needed : outputs == needed)) return;
  const std::string& whose = info.classes_origin.empty() ? info.name : info.classes_origin;
  throw ShapeError(fmt::format("model \"{}\" has {}, but {} has {}{}", model.name(),
                               core::counted(outputs, "output", "outputs"), whose,
                               core::counted(info.classes, "class", "classes"),
                               outputs_hint(outputs, info, loss)));
}

std::vector<float> class_weights(const std::map<int, float>& given, const data::RecordsInfo& info) {
  if (given.empty()) return {};
  if (info.classes == 0) {
    throw InvalidField("class_weight", fmt::format("the targets of {} are numbers: there are no "
                                                   "classes to weigh",
                                                   info.name));
  }
  std::vector<float> weights(static_cast<size_t>(info.classes), 1.0f);
  for (const auto& [number, weight] : given) {
    if (number >= info.classes) {
      throw InvalidField("class_weight",
                         fmt::format("class {} of {}, which has {}, counted from 0", number,
                                     info.name, core::counted(info.classes, "class", "classes")));
    }
    weights[static_cast<size_t>(number)] = weight;
  }
  return weights;
}

void warn_of_logits(const Model& model, const LossSpec& loss) {
  const loss::Link link = loss::traits_of(loss).link;
  const bool takes_probabilities =
      link != loss::Link::kNone || std::holds_alternative<KLDivergence>(loss.loss);
  if (!takes_probabilities || model.impl().warned_of_logits) return;
  // What only moves or selects outputs leaves probabilities what they are.
  const auto keeps = [](const backend::Op& op) {
    return std::holds_alternative<backend::ReshapeOp>(op.kind) ||
           std::holds_alternative<backend::NoiseOp>(op.kind) ||
           std::holds_alternative<backend::RearrangeOp>(op.kind) ||
           std::holds_alternative<backend::Pool2DOp>(op.kind);
  };
  const backend::Graph graph = nn::lower(model, loss);
  const auto last = std::find_if_not(graph.ops.rbegin(), graph.ops.rend(), keeps);
  backend::ActivationOp end;
  if (last != graph.ops.rend()) {
    if (std::holds_alternative<backend::HostOp>(last->kind)) return;
    if (const auto* op = std::get_if<backend::ActivationOp>(&last->kind)) end = *op;
  }
  const bool wants_logits = loss::takes_logits(loss);
  if (is_link(end.activation) != wants_logits) return;
  if (model.impl().warned_of_logits.exchange(true)) return;
  const std::string& name = model.layers().back()->name();
  if (wants_logits) {
    SLUICE_LOG(
        warn,
        "the loss {} is told that it gets logits, but the last layer \"{}\" ends in {}: leave "
        "out from_logits, or that activation",
        loss.name(), name, nn::name_of(end));
    return;
  }
  const char* wanted = link == loss::Link::kSigmoid ? "sigmoid" : "softmax";
  const bool has_activation = last == graph.ops.rbegin() && last != graph.ops.rend();
  SLUICE_LOG(warn, "the loss {} takes probabilities, but the last layer \"{}\" ends in {}: add {}",
             loss.name(), name, nn::name_of(end),
             has_activation ? fmt::format("activation=\"{}\"", wanted)
                            : fmt::format("Activation(\"{}\") behind it", wanted));
}

namespace {

std::unique_ptr<backend::Replica> compile_for_inference(const Model& model,
                                                        const backend::ReplicaPool::Key& key) {
  const auto backend =
      open_backend_or_throw({.name = key.device, .gpu_memory_bytes = key.gpu_memory_bytes});
  backend::Graph graph = nn::lower(model, key.loss);
  graph.weighted = key.weighted;
  return backend->compile(graph, {.purpose = backend::Purpose::kInference,
                                  .batch_size = key.batch_size,
                                  .threads = key.threads});
}

// What EvaluateOptions and PredictOptions have in common.
template <typename Options>
backend::ReplicaPool::Key key_of(const Options& options, const LossSpec& loss, bool weighted) {
  const backend::DeviceOptions device = device_options(options.device, options.gpu_memory_mib);
  return {.loss = loss,
          .weighted = weighted,
          .batch_size = options.batch_size,
          .threads = options.threads > 0 ? options.threads : core::available_cores(),
          .device = device.name,
          .gpu_memory_bytes = device.gpu_memory_bytes};
}

Metrics evaluate_with(backend::Replica& replica, const data::Records& records, int64_t batch_size) {
  backend::StepMetrics sums;
  data::InOrderBatches batches(records, batch_size);
  for (int64_t batch = 0; batch < batches.batches(); ++batch) {
    sums += replica.evaluate(worker::make_batch(replica, batches, batch));
  }
  return mean_metrics(sums, has_accuracy(records.info(), replica.graph().outputs.front().loss));
}

}  // namespace

Evaluator::Evaluator(const Model& model, const EvaluateOptions& options, bool weighted)
    : batch_size_(options.batch_size),
      replica_(compile_for_inference(model, key_of(options, options.loss, weighted))) {}

Metrics Evaluator::evaluate(std::span<const float> parameters, const data::Records& records) {
  std::copy(parameters.begin(), parameters.end(), replica_->parameters().begin());
  replica_->parameters_changed();
  return evaluate_with(*replica_, records, batch_size_);
}

}  // namespace sluice::train

namespace sluice {

Metrics Model::evaluate(const Dataset& dataset, const EvaluateOptions& options) const {
  train::validate(options);
  const LossSpec& loss = options.loss;
  train::check_fits(*this, dataset.records()->info(), loss);
  train::warn_of_logits(*this, loss);
  const auto key = train::key_of(options, loss, dataset.records()->weights().any());
  const auto replica = impl_->compiled.take(
      key, parameters().values(), [&] { return train::compile_for_inference(*this, key); });
  return train::evaluate_with(*replica, *dataset.records(), key.batch_size);
}

std::vector<float> Model::predict(std::span<const float> x, const PredictOptions& asked) const {
  train::validate(asked);
  const auto input = static_cast<size_t>(input_shape().size());
  if (x.empty() || x.size() % input != 0) {
    throw ShapeError(fmt::format("model \"{}\": predict() expected a multiple of {} floats, got {}",
                                 name(), input, x.size()));
  }
  const size_t n = x.size() / input;
  const auto output = static_cast<size_t>(output_shape().size());
  const auto batch = static_cast<size_t>(asked.batch_size);
  // No targets are compared: any loss fits.
  const auto key = train::key_of(asked, MeanSquaredError{}, false);
  const auto replica = impl_->compiled.take(
      key, parameters().values(), [&] { return train::compile_for_inference(*this, key); });
  std::vector<float> y(n * output);
  for (size_t begin = 0; begin < n; begin += batch) {
    const size_t count = std::min(batch, n - begin);
    (*replica).predict(static_cast<int64_t>(count), x.subspan(begin * input, count * input),
                       std::span(y).subspan(begin * output, count * output));
  }
  return y;
}

}  // namespace sluice
