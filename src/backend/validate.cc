#include "backend/validate.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "core/process_info.h"
#include "sluice/errors.h"

namespace sluice::backend {
namespace {

[[noreturn]] void fail(const Op& op, const std::string& what) {
  throw std::invalid_argument(fmt::format("\"{}\": {}", op.name, what));
}

[[noreturn]] void fail_shape(const Op& op, const std::string& expected, const Shape& got) {
  throw ShapeError(fmt::format("\"{}\": expected {}, got {}", op.name, expected, got.to_string()));
}

int64_t window_count(int64_t size, int64_t before, int64_t after, int64_t window, int64_t stride) {
  const int64_t room = size + before + after - window;
  return room < 0 ? 0 : room / stride + 1;
}

struct Window {
  int64_t h, w, stride_h, stride_w;
  Padding2D padding;
};

// The output that a sliding window leaves, its channels given.
void check_window(const Op& op, const Window& w, int64_t channels) {
  if (op.input.rank() != 3) fail_shape(op, "an input [H, W, C]", op.input);
  if (w.h < 1 || w.w < 1 || w.stride_h < 1 || w.stride_w < 1) {
    fail(op, "the window and its strides must be at least 1");
  }
  const auto inside = [](int64_t pad, int64_t size) { return pad >= 0 && pad < size; };
  if (!inside(w.padding.top, w.h) || !inside(w.padding.bottom, w.h) ||
      !inside(w.padding.left, w.w) || !inside(w.padding.right, w.w)) {
    fail(op, "padding must be at least 0 and smaller than the window");
  }
  const Shape expected{window_count(op.input[0], w.padding.top, w.padding.bottom, w.h, w.stride_h),
                       window_count(op.input[1], w.padding.left, w.padding.right, w.w, w.stride_w),
                       channels};
  if (expected.size() <= 0) fail_shape(op, "an image no smaller than the window", op.input);
  if (op.output != expected) fail_shape(op, "an output " + expected.to_string(), op.output);
}

void check_slice(const Op& op, const ParameterSlice& slice, int64_t expected) {
  if (slice.size != static_cast<size_t>(expected)) {
    fail(op, fmt::format("expected a parameter of {} floats, got {}", expected, slice.size));
  }
}

struct Check {
  const Op& op;

  void operator()(const Conv2DOp& conv) const {
    if (conv.bias) check_slice(op, *conv.bias, op.output.rank() == 3 ? op.output[2] : 0);
    check_window(op, {conv.kernel_h, conv.kernel_w, conv.stride_h, conv.stride_w, conv.padding},
                 op.output.rank() == 3 ? op.output[2] : 1);
    check_slice(op, conv.kernel, conv.kernel_h * conv.kernel_w * op.input[2] * op.output[2]);
  }
  void operator()(const Pool2DOp& pool) const {
    check_window(op, {pool.pool_h, pool.pool_w, pool.stride_h, pool.stride_w, pool.padding},
                 op.input.rank() == 3 ? op.input[2] : 1);
  }
  void operator()(const DenseOp& dense) const {
    if (op.input.rank() < 1) fail_shape(op, "an input of rank 1 or more", op.input);
    std::vector<int64_t> expected = op.input.dims();
    if (op.output.rank() > 0) expected.back() = op.output.dims().back();
    if (op.output != Shape(expected)) {
      fail_shape(op, "an output " + Shape(expected).to_string(), op.output);
    }
    check_slice(op, dense.kernel, op.input.dims().back() * op.output.dims().back());
    if (dense.bias) check_slice(op, *dense.bias, op.output.dims().back());
  }
  void operator()(const ActivationOp& activation) const {
    same_shape();
    if (activation.activation == Activation::kSoftmax && op.input.rank() < 1) {
      fail_shape(op, "an input of rank 1 or more", op.input);
    }
  }
  void operator()(const DropoutOp& dropout) const {
    same_shape();
    if (!(dropout.rate >= 0 && dropout.rate < 1)) {
      fail(op, fmt::format("the rate must be at least 0 and below 1, got {:f}", dropout.rate));
    }
  }
  void operator()(const ReshapeOp&) const {
    if (op.input.size() != op.output.size()) {
      fail_shape(op, fmt::format("an output of {} elements", op.input.size()), op.output);
    }
  }
  void operator()(const HostOp& host) const {
    if (host.kernel == nullptr) fail(op, "a host operation needs a kernel");
  }
  void same_shape() const {
    if (op.input != op.output) fail_shape(op, "an output " + op.input.to_string(), op.output);
  }
};

std::vector<ParameterSlice> slices_of(const Op& op) {
  const auto with_bias = [](const auto& layer) {
    std::vector<ParameterSlice> slices{layer.kernel};
    if (layer.bias) slices.push_back(*layer.bias);
    return slices;
  };
  if (const auto* conv = std::get_if<Conv2DOp>(&op.kind)) return with_bias(*conv);
  if (const auto* dense = std::get_if<DenseOp>(&op.kind)) return with_bias(*dense);
  if (const auto* host = std::get_if<HostOp>(&op.kind)) return host->parameters;
  return {};
}

// Every parameter inside the buffer and used by one op only: gradients are not added up.
void check_parameters(const Graph& graph) {
  std::vector<std::pair<ParameterSlice, const Op*>> all;
  for (const Op& op : graph.ops) {
    for (const ParameterSlice& slice : slices_of(op)) {
      if (slice.offset > graph.parameter_size || slice.size > graph.parameter_size - slice.offset) {
        fail(op, fmt::format("a parameter lies outside the {} floats of the model",
                             graph.parameter_size));
      }
      all.emplace_back(slice, &op);
    }
  }
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return a.first.offset < b.first.offset; });
  for (size_t i = 1; i < all.size(); ++i) {
    const ParameterSlice& before = all[i - 1].first;
    if (before.offset + before.size > all[i].first.offset) {
      fail(*all[i].second, fmt::format("shares a parameter with \"{}\"", all[i - 1].second->name));
    }
  }
}

// Of `name`: n x per_sample floats.
void check_size(const char* name, size_t size, int64_t n, int64_t per_sample) {
  if (size == static_cast<size_t>(n * per_sample)) return;
  throw std::invalid_argument(
      fmt::format("{}: expected {} x {} floats, got {}", name, n, per_sample, size));
}

void check_inputs(const Graph& graph, int64_t batch_size, int64_t n, size_t x) {
  if (n < 1 || n > batch_size) {
    throw std::invalid_argument(
        fmt::format("a batch of {} for a replica compiled for 1 to {}", n, batch_size));
  }
  check_size("x", x, n, graph.input.size());
}

}  // namespace

const Graph& validate(const Graph& graph) {
  const Shape* shape = &graph.input;
  for (const Op& op : graph.ops) {
    if (op.input != *shape) fail_shape(op, "an input " + shape->to_string(), op.input);
    if (op.output.size() <= 0) fail_shape(op, "an output without empty dimensions", op.output);
    std::visit(Check{op}, op.kind);
    shape = &op.output;
  }
  if (graph.loss != Loss::kMeanSquaredError && graph.output().rank() < 1) {
    throw ShapeError("the crossentropy: expected an output of rank 1 or more, got " +
                     graph.output().to_string());
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
  check("the input", graph.input);
  for (const Op& op : graph.ops) check("\"" + op.name + "\": the output", op.output);
}

void check_batch(const Graph& graph, int64_t batch_size, const Batch& batch) {
  check_inputs(graph, batch_size, batch.size, batch.x.size());
  check_size("y", batch.y.size(), batch.size, graph.target_size());
  if (graph.loss != Loss::kSparseCategoricalCrossentropy) return;
  for (const float label : batch.y) (void)class_number(label, graph.classes());
}

void check_prediction(const Graph& graph, int64_t batch_size, int64_t n, size_t x, size_t y) {
  check_inputs(graph, batch_size, n, x);
  check_size("y", y, n, graph.output().size());
}

void check_exchange(const Graph& graph, const char* what, size_t size) {
  check_size(what, size, 1, static_cast<int64_t>(graph.parameter_size));
}

void check_keeps_gradients(const ReplicaOptions& options) {
  if (!options.optimizer) return;
  throw std::logic_error("gradients() of a replica that has an optimizer: it has used them up");
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
