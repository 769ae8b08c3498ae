#include "train/evaluation.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <utility>

#include "backend/validate.h"
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

// A record of a model with several inputs has them one after another in a row.
void check_inputs(const Model& model, const data::RecordsInfo& info) {
  const std::vector<Shape> inputs = model.input_shapes();
  int64_t size = 0;
  std::string shapes;
  for (const Shape& input : inputs) {
    size += input.size();
    shapes += (shapes.empty() ? "" : ", ") + input.to_string();
  }
  const bool fits = inputs.size() == 1 ? takes(inputs.front(), info.sample_shape)
                                       : info.sample_shape == Shape{size};
  if (fits) return;
  throw ShapeError(fmt::format("model \"{}\" takes {}, but the records of {} are {}", model.name(),
                               shapes, info.name, info.sample_shape.to_string()));
}

// Several outputs: each has its part of a record's numbers.
void check_targets(const Model& model, const data::RecordsInfo& info,
                   const std::vector<nn::OutputTask>& tasks) {
  const backend::Graph graph = nn::lower(model, nn::parse_tasks(tasks));
  const std::vector<std::string> names = model.output_names();
  std::string wanted;
  for (size_t k = 0; k < tasks.size(); ++k) {
    wanted +=
        fmt::format("{}{} of \"{}\" ({})", k == 0 ? "" : ", ", graph.target_size(graph.outputs[k]),
                    names[k], loss::short_name(tasks[k].loss));
  }
  const std::string has =
      info.classes > 0 ? "one class" : core::counted(info.values, "number", "numbers");
  if (info.classes == 0 && info.values == graph.target_size()) return;
  throw ShapeError(fmt::format(
      "model \"{}\" has several outputs, whose targets are {}, but a record of {} has {}: make the "
      "dataset of an array for each output",
      model.name(), wanted, info.name, has));
}

// A record has one class number, not one for each position of an output [T..., K].
void check_one_position(const Model& model, const data::RecordsInfo& info, const LossSpec& loss) {
  const Shape output = model.output_shape();
  if (output.rank() == 0 || output.dims().back() == output.size()) return;
  throw ShapeError(fmt::format(
      "model \"{}\" has the output {}: {} takes a class number for each of its positions, but a "
      "record of {} has one; use categorical_crossentropy, or a Flatten before",
      model.name(), output.to_string(), loss.name(), info.name));
}

// Targets that are numbers.
void check_numbers(const Model& model, const data::RecordsInfo& info, const LossSpec& loss) {
  const loss::Traits traits = loss::traits_of(loss);
  const Shape shape = model.output_shape();
  if (traits.class_target == loss::ClassTarget::kNumber) {
    // A program may have put class numbers into an array of targets, one for each position.
    const int64_t classes = shape.rank() == 0 ? 1 : shape.dims().back();
    if (classes > 1 && info.values == shape.size() / classes) return;
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
  if (loss::traits_of(loss).predicts == loss::Predicts::kEmbeddings) return 1;
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
  const std::vector<Shape> outputs = model.output_shapes();
  return loss::traits_of(loss).predicts == loss::Predicts::kNumbers && outputs.size() == 1 &&
         outputs.front().size() == 1;
}

void check_fits(const Model& model, const data::RecordsInfo& info,
                const std::vector<nn::OutputTask>& tasks) {
  check_inputs(model, info);
  const std::vector<Shape> shapes = model.output_shapes();
  for (size_t k = 0; k < tasks.size(); ++k) backend::check_loss_fits(tasks[k].loss, shapes[k]);
  if (tasks.size() > 1) return check_targets(model, info, tasks);
  const LossSpec& loss = tasks.front().loss;
  const int64_t outputs = model.output_shape().size();
  if (info.classes == 0) return check_numbers(model, info, loss);
  const loss::ClassTarget target = loss::traits_of(loss).class_target;
  const bool number = target == loss::ClassTarget::kNumber;
  if (number) check_one_position(model, info, loss);
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

namespace {

// The activation that an output ends in; none of a layer of the program's own.
struct End {
  std::optional<backend::ActivationOp> activation;
  bool is_last;  // nothing comes behind it that moves or selects
};
End end_of(const backend::Graph& graph, backend::ValueId value) {
  // What only moves or selects outputs leaves probabilities what they are.
  const auto keeps = [](const backend::Op& op) {
    return std::holds_alternative<backend::ReshapeOp>(op.kind) ||
           std::holds_alternative<backend::NoiseOp>(op.kind) ||
           std::holds_alternative<backend::RearrangeOp>(op.kind) ||
           std::holds_alternative<backend::Pool2DOp>(op.kind);
  };
  End end{backend::ActivationOp{}, true};
  for (auto op = graph.ops.rbegin(); op != graph.ops.rend(); ++op) {
    if (op->output != value) continue;
    if (keeps(*op)) {
      value = op->inputs.front();
      end.is_last = false;
      continue;
    }
    if (std::holds_alternative<backend::HostOp>(op->kind)) end.activation.reset();
    if (const auto* kind = std::get_if<backend::ActivationOp>(&op->kind)) {
      end.activation = *kind;
    }
    return end;
  }
  end.is_last = false;
  return end;
}

}  // namespace

void warn_of_logits(const Model& model, const std::vector<nn::OutputTask>& tasks) {
  if (model.impl().warned_of_logits) return;
  const backend::Graph graph = nn::lower(model, nn::parse_tasks(tasks));
  for (size_t k = 0; k < tasks.size(); ++k) {
    const LossSpec& loss = tasks[k].loss;
    const loss::Traits traits = loss::traits_of(loss);
    const bool takes_probabilities = traits.link != loss::Link::kNone || traits.of_probabilities;
    const End end = end_of(graph, graph.outputs[k].value);
    if (!takes_probabilities || !end.activation) continue;
    const bool wants_logits = loss::takes_logits(loss);
    if (is_link(end.activation->activation) != wants_logits) continue;
    if (model.impl().warned_of_logits.exchange(true)) return;
    const std::string& name = model.impl().name_of(model.impl().outputs[k]);
    if (wants_logits) {
      SLUICE_LOG(warn,
                 "the loss {} is told that it gets logits, but the last layer \"{}\" ends in {}: "
                 "leave out from_logits, or that activation",
                 loss.name(), name, nn::name_of(*end.activation));
      return;
    }
    const bool one = graph.classes(graph.outputs[k]) == 1 && traits.link == loss::Link::kNone;
    const char* wanted = one || traits.link == loss::Link::kSigmoid ? "sigmoid" : "softmax";
    SLUICE_LOG(warn,
               "the loss {} takes probabilities, but the last layer \"{}\" ends in {}: add {}",
               loss.name(), name, nn::name_of(*end.activation),
               end.is_last ? fmt::format("activation=\"{}\"", wanted)
                           : fmt::format("Activation(\"{}\") behind it", wanted));
    return;
  }
}

namespace {

std::unique_ptr<backend::Replica> compile_for_inference(const Model& model,
                                                        const backend::ReplicaPool::Key& key) {
  const auto backend =
      open_backend_or_throw({.name = key.device, .gpu_memory_bytes = key.gpu_memory_bytes});
  backend::Graph graph = nn::lower(model, key.outputs);
  graph.weighted = key.weighted;
  return backend->compile(graph, {.purpose = backend::Purpose::kInference,
                                  .batch_size = key.batch_size,
                                  .threads = key.threads});
}

// What EvaluateOptions and PredictOptions have in common.
template <typename Options>
backend::ReplicaPool::Key key_of(const Options& options, std::vector<backend::GraphOutput> outputs,
                                 bool weighted) {
  const backend::DeviceOptions device = device_options(options.device, options.gpu_memory_mib);
  return {.outputs = std::move(outputs),
          .weighted = weighted,
          .batch_size = options.batch_size,
          .threads = options.threads > 0 ? options.threads : core::available_cores(),
          .device = device.name,
          .gpu_memory_bytes = device.gpu_memory_bytes};
}

backend::StepMetrics evaluate_with(backend::Replica& replica, const data::Records& records,
                                   int64_t batch_size) {
  backend::StepMetrics sums;
  data::InOrderBatches batches(records, batch_size);
  for (int64_t batch = 0; batch < batches.batches(); ++batch) {
    sums += replica.evaluate(worker::make_batch(replica, batches, batch));
  }
  return sums;
}

std::vector<size_t> sizes_of(const std::vector<Shape>& shapes) {
  std::vector<size_t> sizes;
  for (const Shape& shape : shapes) sizes.push_back(static_cast<size_t>(shape.size()));
  return sizes;
}

// The samples that predict() is given: an array for each input, of as many.
size_t samples_of(const Model& model, const std::vector<std::span<const float>>& x,
                  const std::vector<size_t>& inputs) {
  if (x.size() != inputs.size()) {
    throw ShapeError(fmt::format(
        "model \"{}\": predict() expected {}, got {}", model.name(),
        core::counted(static_cast<int64_t>(inputs.size()), "array", "arrays"), x.size()));
  }
  const size_t n = x.front().size() / inputs.front();
  for (size_t k = 0; k < inputs.size(); ++k) {
    if (x[k].empty() || x[k].size() % inputs[k] != 0) {
      throw ShapeError(
          fmt::format("model \"{}\": predict() expected a multiple of {} floats, got {}",
                      model.name(), inputs[k], x[k].size()));
    }
    if (x[k].size() == n * inputs[k]) continue;
    throw ShapeError(
        fmt::format("model \"{}\": predict() got {} samples for input {} and {} for the "
                    "first",
                    model.name(), x[k].size() / inputs[k], k, n));
  }
  return n;
}

}  // namespace

Evaluator::Evaluator(const Model& model, const std::vector<nn::OutputTask>& tasks,
                     const EvaluateOptions& options, bool weighted)
    : batch_size_(options.batch_size),
      replica_(compile_for_inference(model, key_of(options, nn::parse_tasks(tasks), weighted))),
      measures_(model, replica_->graph()) {}

Metrics Evaluator::evaluate(std::span<const float> parameters, const data::Records& records) {
  std::copy(parameters.begin(), parameters.end(), replica_->parameters().begin());
  replica_->parameters_changed();
  return measures_.of(evaluate_with(*replica_, records, batch_size_));
}

}  // namespace sluice::train

namespace sluice {

Metrics Model::evaluate(const Dataset& dataset, const EvaluateOptions& options) const {
  train::validate(options);
  const data::RecordsInfo& info = dataset.records()->info();
  const auto tasks = train::tasks_of(*this, info, train::objective_of(options));
  train::check_fits(*this, info, tasks);
  train::warn_of_logits(*this, tasks);
  const auto key = train::key_of(options, nn::parse_tasks(tasks), dataset.records()->weighted());
  const auto replica = impl_->compiled.take(
      key, parameters().values(), [&] { return train::compile_for_inference(*this, key); });
  const train::Measures measures(*this, (*replica).graph());
  return measures.of(train::evaluate_with(*replica, *dataset.records(), key.batch_size));
}

std::vector<float> Model::predict(std::span<const float> x, const PredictOptions& asked) const {
  (void)input_shape();   // one
  (void)output_shape();  // one
  return predict(std::vector{x}, asked).front();
}

std::vector<std::vector<float>> Model::predict(const std::vector<std::span<const float>>& x,
                                               const PredictOptions& asked) const {
  train::validate(asked);
  const std::vector<size_t> inputs = train::sizes_of(input_shapes());
  const std::vector<size_t> outputs = train::sizes_of(output_shapes());
  const size_t n = train::samples_of(*this, x, inputs);
  // No targets are compared: any loss fits.
  const auto key = train::key_of(
      asked, std::vector(outputs.size(), backend::GraphOutput{.loss = MeanSquaredError{}}), false);
  const auto replica = impl_->compiled.take(
      key, parameters().values(), [&] { return train::compile_for_inference(*this, key); });
  const size_t x_row = std::accumulate(inputs.begin(), inputs.end(), size_t{0});
  const size_t y_row = std::accumulate(outputs.begin(), outputs.end(), size_t{0});
  std::vector<std::vector<float>> y;
  for (const size_t size : outputs) y.emplace_back(n * size);
  // Of one input or output the rows are the array itself.
  std::vector<float> x_rows, y_rows;
  const auto batch = static_cast<size_t>(asked.batch_size);
  for (size_t begin = 0; begin < n; begin += batch) {
    const size_t count = std::min(batch, n - begin);
    std::span<const float> from = x.front().subspan(begin * inputs.front());
    if (inputs.size() > 1) {
      x_rows.resize(count * x_row);
      size_t at = 0;
      for (size_t k = 0; k < inputs.size(); at += inputs[k++]) {
        for (size_t i = 0; i < count; ++i) {
          std::copy_n(&x[k][(begin + i) * inputs[k]], inputs[k], &x_rows[i * x_row + at]);
        }
      }
      from = x_rows;
    }
    std::span<float> to = std::span(y.front()).subspan(begin * outputs.front());
    if (outputs.size() > 1) {
      y_rows.resize(count * y_row);
      to = y_rows;
    }
    (*replica).predict(static_cast<int64_t>(count), from.first(count * x_row),
                       to.first(count * y_row));
    if (outputs.size() == 1) continue;
    size_t at = 0;
    for (size_t k = 0; k < outputs.size(); at += outputs[k++]) {
      for (size_t i = 0; i < count; ++i) {
        std::copy_n(&y_rows[i * y_row + at], outputs[k], &y[k][(begin + i) * outputs[k]]);
      }
    }
  }
  return y;
}

}  // namespace sluice
