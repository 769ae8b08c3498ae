#include "backend/validate.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <span>
#include <utility>

#include "backend/batch_losses.h"
#include "backend/ops.h"
#include "core/process_info.h"
#include "loss/traits.h"
#include "sluice/errors.h"

namespace sluice::backend {
namespace {

[[noreturn]] void fail(const Op& op, const std::string& what) {
  throw std::invalid_argument(fmt::format("\"{}\": {}", op.name, what));
}

// Each op behind those whose outputs it takes, and every value the output of one.
void check_values(const Graph& graph) {
  std::vector<bool> is_there(graph.values.size(), false);
  const auto mark = [&](ValueId value) {
    if (value >= is_there.size() || is_there[value]) return false;
    is_there[value] = true;
    return true;
  };
  if (graph.inputs.empty() || !std::all_of(graph.inputs.begin(), graph.inputs.end(), mark)) {
    throw std::invalid_argument("the graph has no value for an input");
  }
  for (const Op& op : graph.ops) {
    for (const ValueId input : op.inputs) {
      if (input < is_there.size() && is_there[input]) continue;
      fail(op, "an input that no op before it computes");
    }
    if (!mark(op.output)) fail(op, "its output is none of the graph's, or another op's as well");
  }
  if (graph.outputs.empty()) throw std::invalid_argument("the graph has no output");
  for (const GraphOutput& output : graph.outputs) {
    if (output.value < is_there.size() && is_there[output.value]) continue;
    throw std::invalid_argument("an output of the graph is computed by no op");
  }
  for (const ActivityPenalty& penalty : graph.activity_penalties) {
    if (penalty.value < is_there.size() && is_there[penalty.value]) continue;
    throw std::invalid_argument("a penalized value of the graph is computed by no op");
  }
}

// Every parameter inside the buffer. Two ops have the same one, whose gradients add up, or none of
// its floats in common.
void check_parameters(const Graph& graph) {
  std::vector<std::pair<ParameterSlice, const Op*>> all;
  for (const Op& op : graph.ops) {
    for (const OpParameter& parameter : traits_of(graph, op).parameters) {
      const ParameterSlice& slice = parameter.slice;
      if (slice.size == 0) continue;
      if (slice.offset > graph.parameter_size || slice.size > graph.parameter_size - slice.offset) {
        fail(op, fmt::format("a parameter lies outside the {} floats of the model",
                             graph.parameter_size));
      }
      all.emplace_back(slice, &op);
    }
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.first.offset < b.first.offset; });
  for (size_t i = 1; i < all.size(); ++i) {
    const auto& [before, its_op] = all[i - 1];
    const auto& [slice, op] = all[i];
    const bool apart = before.offset + before.size <= slice.offset;
    if (apart || (slice == before && op != its_op)) continue;
    fail(*op, fmt::format("shares a part of a parameter with \"{}\"", its_op->name));
  }
}

// Of `name`: n x per_sample floats.
void check_size(const char* name, size_t size, int64_t n, int64_t per_sample) {
  if (size == static_cast<size_t>(n * per_sample)) return;
  throw std::invalid_argument(
      fmt::format("{}: expected {} x {} floats, got {}", name, n, per_sample, size));
}

// Whether the value is an input of the graph, as it is or under another shape. Allocates nothing:
// it is asked for every batch.
bool is_input(const Graph& graph, ValueId value, ValueId input) {
  for (size_t i = graph.ops.size(); i-- > 0;) {
    const Op& op = graph.ops[i];
    if (op.output != value) continue;
    if (!std::holds_alternative<ReshapeOp>(op.kind)) return false;
    value = op.inputs.front();
  }
  return value == input;
}

// The numbers that embeddings of the inputs take rows by.
void check_rows(const Graph& graph, std::span<const float> x) {
  const auto width = static_cast<size_t>(graph.input_size());
  size_t at = 0;  // of the input in a row
  for (const ValueId input : graph.inputs) {
    const auto size = static_cast<size_t>(graph.values[input].size());
    for (const Op& op : graph.ops) {
      const auto* embedding = std::get_if<EmbeddingOp>(&op.kind);
      if (embedding == nullptr || !is_input(graph, op.inputs.front(), input)) continue;
      const auto rows = static_cast<float>(embedding->rows);
      for (size_t row = at; row < x.size(); row += width) {
        for (const float number : x.subspan(row, size)) {
          if (number >= 0 && number < rows) continue;
          fail(op, fmt::format("expected numbers from 0 to {}, got {}", rows - 1, number));
        }
      }
    }
    at += size;
  }
}

void check_label(const LossSpec& loss, float label, int64_t classes) {
  if (!std::holds_alternative<Circle>(loss.loss)) {
    const auto* sparse = std::get_if<SparseCategoricalCrossentropy>(&loss.loss);
    const bool ignored = sparse != nullptr && sparse->ignore_class &&
                         label == static_cast<float>(*sparse->ignore_class);
    if (!ignored) (void)class_number(label, classes);
  } else if (!(label >= 0 && label < static_cast<float>(std::numeric_limits<int>::max()))) {
    throw std::invalid_argument(
        fmt::format("a target of class {:f}: class numbers count from 0", label));
  }
}

void check_inputs(const Graph& graph, int64_t batch_size, int64_t n, std::span<const float> x) {
  if (n < 1 || n > batch_size) {
    throw std::invalid_argument(
        fmt::format("a batch of {} for a replica compiled for 1 to {}", n, batch_size));
  }
  check_size("x", x.size(), n, graph.input_size());
  check_rows(graph, x);
}

}  // namespace

void check_loss_fits(const LossSpec& loss, const Shape& output) {
  (void)batch_losses::kept_axes(loss, output);
  if (!std::holds_alternative<Circle>(loss.loss) || output.rank() == 1) return;
  throw ShapeError(fmt::format("loss \"circle\": expected an embedding of rank 1, got an output {}",
                               output.to_string()));
}

const Graph& validate(const Graph& graph) {
  check_values(graph);
  for (const Op& op : graph.ops) check_op(graph, op);
  for (const GraphOutput& output : graph.outputs) {
    check_loss_fits(output.loss, graph.shape_of(output));
    if (loss::traits_of(output.loss).link != loss::Link::kSoftmax ||
        graph.shape_of(output).rank() >= 1) {
      continue;
    }
    throw ShapeError("the crossentropy: expected an output of rank 1 or more, got " +
                     graph.shape_of(output).to_string());
  }
  check_parameters(graph);
  return graph;
}

const ReplicaOptions& validate(const ReplicaOptions& options) {
  const auto at_least_one = [](const char* name, int64_t value) {
    if (value >= 1) return;
    throw std::invalid_argument(fmt::format("{} must be at least 1, got {}", name, value));
  };
  at_least_one("batch_size", options.batch_size);
  at_least_one("threads", options.threads);
  return options;
}

void check_memory(const Graph& graph, int64_t batch_size) {
  const auto available = static_cast<double>(core::usable_memory_bytes());
  const auto check = [&](const std::string& whose, const Shape& shape) {
    const double needed =
        sizeof(float) * static_cast<double>(batch_size) * static_cast<double>(shape.size());
    if (needed <= available) return;
    throw std::invalid_argument(fmt::format(
        "{} {} of a batch of {} takes {}; this process may have {} of memory", whose,
        shape.to_string(), batch_size, core::memory_text(needed), core::memory_text(available)));
  };
  for (const ValueId input : graph.inputs) check("the input", graph.values[input]);
  for (const Op& op : graph.ops) {
    check("\"" + op.name + "\": the output", graph.values[op.output]);
  }
}

void check_batch(const Graph& graph, int64_t batch_size, const Batch& batch) {
  check_inputs(graph, batch_size, batch.size, batch.x);
  check_size("y", batch.y.size(), batch.size, graph.target_size());
  size_t at = 0;  // of the targets of an output in a row
  const auto row_size = static_cast<size_t>(graph.target_size());
  for (const GraphOutput& output : graph.outputs) {
    const auto size = static_cast<size_t>(graph.target_size(output));
    const bool by_class = output.takes_class_numbers();
    for (size_t row = at; by_class && row < batch.y.size(); row += row_size) {
      for (const float label : batch.y.subspan(row, size)) {
        check_label(output.loss, label, graph.classes(output));
      }
    }
    at += size;
  }
}

void check_prediction(const Graph& graph, int64_t batch_size, int64_t n, std::span<const float> x,
                      size_t y) {
  check_inputs(graph, batch_size, n, x);
  check_size("y", y, n, graph.output_size());
}

void check_exchange(const Graph& graph, const char* what, size_t size) {
  check_size(what, size, 1, static_cast<int64_t>(graph.parameter_size));
}

void check_trains(const ReplicaOptions& options) {
  if (options.purpose == Purpose::kTraining) return;
  throw std::logic_error("this replica was compiled for inference");
}

void check_keeps_gradients(const ReplicaOptions& options) {
  if (!options.optimizer) return;
  throw std::logic_error("gradients() of a replica that has an optimizer: it has used them up");
}

void check_has_optimizer(const ReplicaOptions& options) {
  check_trains(options);
  if (!options.optimizer) throw std::logic_error("a replica without an optimizer has no state");
}

int64_t class_number(float label, int64_t classes) {
  const int64_t numbers = std::max<int64_t>(classes, 2);
  if (!(label >= 0 && label < static_cast<float>(numbers))) {
    throw std::invalid_argument(
        fmt::format("a target of class {:f} for a model of {} classes: class numbers count from 0",
                    label, numbers));
  }
  return static_cast<int64_t>(label);
}

}  // namespace sluice::backend
