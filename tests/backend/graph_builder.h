// Graphs for the tests, written as a chain, and batches of seeded numbers.
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "backend/graph.h"
#include "backend/replica.h"
#include "core/rng.h"
#include "loss/traits.h"

namespace sluice::backend::testing {

struct ConvSpec {
  int64_t filters = 1, kernel_h = 3, kernel_w = 3, stride_h = 1, stride_w = 1;
  Padding2D padding{};
  bool bias = true;
  int64_t dilation_h = 1, dilation_w = 1, groups = 1;
  bool transposed = false;
  int64_t more_h = 0, more_w = 0;  // transposed: pixels of y that no window reaches
};

class GraphBuilder {
 public:
  explicit GraphBuilder(Shape input) : graph_(std::vector<Shape>{std::move(input)}) {}

  GraphBuilder& conv(const ConvSpec& spec);
  GraphBuilder& dense(int64_t units, bool bias = true);
  GraphBuilder& pool(const Pool2DOp& op);
  GraphBuilder& max_pool(int64_t size = 2) {
    return pool({.pool_h = size, .pool_w = size, .stride_h = size, .stride_w = size});
  }
  GraphBuilder& activation(Activation activation);
  GraphBuilder& dropout(float rate, uint64_t seed);
  GraphBuilder& batch_norm();
  // The op with a gamma and a beta where axes of its view are weighted.
  GraphBuilder& normalize(NormalizeOp op);
  GraphBuilder& reshape(Shape output);
  GraphBuilder& embedding(int64_t rows, int64_t columns);
  GraphBuilder& flatten() { return reshape({shape().size()}); }
  // Takes the current value and these.
  GraphBuilder& merge(const MergeOp& op, std::vector<ValueId> others);
  // The current value and these, one behind the other.
  GraphBuilder& concatenate(int axis, std::vector<ValueId> others);
  // The current value has a penalty.
  GraphBuilder& penalize(float l1, float l2) {
    graph_.activity_penalties.push_back({here_, l1, l2});
    return *this;
  }
  // Any operation on the current value.
  GraphBuilder& then(OpKind kind, Shape output) { return add(std::move(output), std::move(kind)); }
  // The current value, to be returned to or merged with.
  ValueId here() const { return here_; }
  const Shape& shape() const { return graph_.values[here_]; }
  // The next op takes another input of the graph.
  GraphBuilder& input(Shape shape) {
    graph_.values.push_back(std::move(shape));
    graph_.inputs.push_back(graph_.values.size() - 1);
    return from(graph_.inputs.back());
  }
  // The next op takes `value`.
  GraphBuilder& from(ValueId value) {
    here_ = value;
    return *this;
  }
  // The next convolution or dense layer has the parameters of op number `op`.
  GraphBuilder& share(size_t op) {
    shared_ = op;
    return *this;
  }
  // Takes all parameters so far out of training.
  GraphBuilder& freeze();
  // `output` empty: the shape of the input. `parameters`: their sizes.
  GraphBuilder& host(std::shared_ptr<const HostKernel> kernel, std::vector<size_t> parameters = {});

  // The current value is the output, whose accuracy is measured.
  Graph build(const LossSpec& loss);
  Graph build(std::vector<GraphOutput> outputs);

 private:
  ParameterSlice parameter(int64_t size);
  template <typename LayerOp>
  void take_parameters(LayerOp& op, int64_t kernel, int64_t bias);
  GraphBuilder& add(Shape output, OpKind kind);

  Graph graph_;
  ValueId here_ = 0;
  std::optional<size_t> shared_;
};

// y = x, and a wall that nothing can be fused across.
class IdentityKernel : public HostKernel {
 public:
  void forward(const Forward& args) const override;
  void backward(const Backward& args) const override;
};

// y = a x + b elementwise with two scalar parameters; remembers what it was given.
class ScaleKernel : public HostKernel {
 public:
  void forward(const Forward& args) const override {
    training = args.training;
    batch = args.batch;
    for (size_t i = 0; i < args.x.size(); ++i) {
      args.y[i] = args.parameters[0][0] * args.x[i] + args.parameters[1][0];
    }
  }
  void backward(const Backward& args) const override {
    has_dx = !args.dx.empty();
    float da = 0, db = 0;
    for (size_t i = 0; i < args.x.size(); ++i) {
      da += args.dy[i] * args.x[i];
      db += args.dy[i];
      if (has_dx) args.dx[i] = args.parameters[0][0] * args.dy[i];
    }
    args.dparameters[0][0] = da;
    args.dparameters[1][0] = db;
  }
  mutable bool training = false, has_dx = false;
  mutable int64_t batch = 0;
};

// x uniform in [-1, 1) and targets that the graph's loss takes: classes, probabilities or values.
struct Samples {
  Samples(const Graph& graph, int64_t n, uint64_t seed);
  Batch batch() const { return {n, x, y}; }
  Batch first(int64_t count) const;

  int64_t n;
  std::vector<float> x, y;
  int64_t x_size, y_size;  // per sample
};

// A replica of `graph` with parameters drawn from [-scale, scale).
std::unique_ptr<Replica> make_replica(const Graph& graph, const ReplicaOptions& options,
                                      uint64_t seed = 1, float scale = 0.5f);

std::vector<float> copy_of(std::span<const float> values);

// Of a graph whose first counter is that of the accuracy.
double correct_of(const StepMetrics& metrics);

// The MNIST CNN of the project: 1,048,853 parameters.
Graph mnist_cnn();

// ---------------------------------------------------------------------------------------------

inline ParameterSlice GraphBuilder::parameter(int64_t size) {
  const ParameterSlice slice{.offset = graph_.parameter_size, .size = static_cast<size_t>(size)};
  graph_.parameter_size += slice.size;
  return slice;
}

inline GraphBuilder& GraphBuilder::add(Shape output, OpKind kind) {
  here_ = graph_.add("op" + std::to_string(graph_.ops.size()), std::move(kind), {here_},
                     std::move(output));
  return *this;
}

// bias 0: none.
template <typename LayerOp>
void GraphBuilder::take_parameters(LayerOp& op, int64_t kernel, int64_t bias) {
  if (shared_) {
    const auto& other = std::get<LayerOp>(graph_.ops[*shared_].kind);
    op.kernel = other.kernel;
    op.bias = other.bias;
    shared_.reset();
    return;
  }
  op.kernel = parameter(kernel);
  if (bias > 0) op.bias = parameter(bias);
}

inline GraphBuilder& GraphBuilder::merge(const MergeOp& op, std::vector<ValueId> others) {
  others.insert(others.begin(), here_);
  const Shape output = shape();
  here_ = graph_.add("op" + std::to_string(graph_.ops.size()), op, std::move(others), output);
  return *this;
}

inline GraphBuilder& GraphBuilder::concatenate(int axis, std::vector<ValueId> others) {
  others.insert(others.begin(), here_);
  std::vector<int64_t> sizes = shape().dims();
  sizes[static_cast<size_t>(axis)] = 0;
  for (const ValueId other : others) {
    sizes[static_cast<size_t>(axis)] += graph_.values[other][axis];
  }
  here_ = graph_.add("op" + std::to_string(graph_.ops.size()), ConcatenateOp{axis},
                     std::move(others), Shape(sizes));
  return *this;
}

inline GraphBuilder& GraphBuilder::freeze() {
  const auto freeze_all = [](auto& op) {
    if constexpr (requires { op.kernel.role; }) {
      op.kernel.role = ParameterRole::kFrozen;
      if (op.bias) op.bias->role = ParameterRole::kFrozen;
    }
  };
  for (Op& op : graph_.ops) std::visit(freeze_all, op.kind);
  return *this;
}

inline int64_t windows(int64_t size, int64_t before, int64_t after, int64_t window,
                       int64_t stride) {
  return (size + before + after - window) / stride + 1;
}

inline GraphBuilder& GraphBuilder::conv(const ConvSpec& c) {
  const Shape in = shape();
  Conv2DOp op{.kernel_h = c.kernel_h,
              .kernel_w = c.kernel_w,
              .stride_h = c.stride_h,
              .stride_w = c.stride_w,
              .padding = c.padding,
              .dilation_h = c.dilation_h,
              .dilation_w = c.dilation_w,
              .groups = c.groups,
              .transposed = c.transposed};
  take_parameters(op, c.kernel_h * c.kernel_w * in[2] / c.groups * c.filters,
                  c.bias ? c.filters : 0);
  const Padding2D& p = c.padding;
  if (c.transposed) {
    return add({(in[0] - 1) * c.stride_h + op.extent_h() - p.top - p.bottom + c.more_h,
                (in[1] - 1) * c.stride_w + op.extent_w() - p.left - p.right + c.more_w, c.filters},
               op);
  }
  return add({windows(in[0], p.top, p.bottom, op.extent_h(), c.stride_h),
              windows(in[1], p.left, p.right, op.extent_w(), c.stride_w), c.filters},
             op);
}

inline GraphBuilder& GraphBuilder::dense(int64_t units, bool bias) {
  std::vector<int64_t> output = shape().dims();
  DenseOp op;
  take_parameters(op, output.back() * units, bias ? units : 0);
  output.back() = units;
  return add(Shape(output), op);
}

inline GraphBuilder& GraphBuilder::pool(const Pool2DOp& p) {
  const Shape in = shape();
  return add({windows(in[0], p.padding.top, p.padding.bottom, p.pool_h, p.stride_h),
              windows(in[1], p.padding.left, p.padding.right, p.pool_w, p.stride_w), in[2]},
             p);
}

inline GraphBuilder& GraphBuilder::activation(Activation activation) {
  return add(shape(), ActivationOp{activation});
}

inline GraphBuilder& GraphBuilder::dropout(float rate, uint64_t seed) {
  return add(shape(), NoiseOp{.strength = rate, .seed = seed});
}

inline GraphBuilder& GraphBuilder::embedding(int64_t rows, int64_t columns) {
  std::vector<int64_t> output = shape().dims();
  output.push_back(columns);
  return add(Shape(output), EmbeddingOp{.table = parameter(rows * columns), .rows = rows});
}

inline GraphBuilder& GraphBuilder::batch_norm() {
  const int64_t channels = shape().dims().back();
  const auto state = [&] {
    ParameterSlice slice = parameter(channels);
    slice.role = ParameterRole::kState;
    return slice;
  };
  BatchNormOp op;
  op.gamma = parameter(channels);
  op.mean = state();
  op.beta = parameter(channels);
  op.variance = state();
  return add(shape(), op);
}

inline GraphBuilder& GraphBuilder::reshape(Shape output) {
  return add(std::move(output), ReshapeOp{});
}

inline GraphBuilder& GraphBuilder::normalize(NormalizeOp op) {
  int64_t weights = 1;
  bool weighted = false;
  for (const NormalizeOp::Axis& axis : op.view) {
    if (!axis.weighted) continue;
    weights *= axis.size;
    weighted = true;
  }
  if (weighted) {
    op.gamma = parameter(weights);
    op.beta = parameter(weights);
  }
  const Shape output = shape();
  return add(output, std::move(op));
}

inline GraphBuilder& GraphBuilder::host(std::shared_ptr<const HostKernel> kernel,
                                        std::vector<size_t> parameters) {
  HostOp op;
  op.kernel = std::move(kernel);
  for (size_t size : parameters) op.parameters.push_back(parameter(static_cast<int64_t>(size)));
  return add(shape(), op);
}

inline Graph GraphBuilder::build(const LossSpec& loss) {
  return build({{.value = here_, .loss = loss, .metrics = {Metric{}}}});
}

inline Graph GraphBuilder::build(std::vector<GraphOutput> outputs) {
  graph_.outputs = std::move(outputs);
  return graph_;
}

inline void IdentityKernel::forward(const Forward& args) const {
  std::copy(args.x.begin(), args.x.end(), args.y.begin());
}
inline void IdentityKernel::backward(const Backward& args) const {
  if (!args.dx.empty()) std::copy(args.dy.begin(), args.dy.end(), args.dx.begin());
}

inline void draw_targets(const GraphOutput& output, size_t classes, std::span<float> y,
                         core::Rng& rng) {
  if (output.takes_class_numbers()) {
    for (float& label : y) label = static_cast<float>(rng.below(classes));
    return;
  }
  for (size_t i = 0; i < y.size(); i += classes) {
    const std::span<float> target = y.subspan(i, classes);
    float sum = 0;
    for (float& value : target) sum += value = rng.uniform(0.1f, 1);
    if (loss::traits_of(output.loss).predicts == loss::Predicts::kNumbers) continue;
    for (float& value : target) value /= sum;
  }
}

inline Samples::Samples(const Graph& graph, int64_t count, uint64_t seed)
    : n(count), x_size(graph.input_size()), y_size(graph.target_size()) {
  core::Rng rng(seed);
  x.resize(static_cast<size_t>(n * x_size));
  y.resize(static_cast<size_t>(n * y_size));
  for (float& value : x) value = rng.uniform(-1, 1);
  size_t at = 0;  // of the targets of an output in a row
  for (const GraphOutput& output : graph.outputs) {
    const auto size = static_cast<size_t>(graph.target_size(output));
    for (size_t row = at; row < y.size(); row += static_cast<size_t>(y_size)) {
      draw_targets(output, static_cast<size_t>(graph.classes(output)),
                   std::span(y).subspan(row, size), rng);
    }
    at += size;
  }
  for (size_t row = at; graph.weighted && row < y.size(); row += static_cast<size_t>(y_size)) {
    y[row] = rng.uniform(0, 2);
  }
}

inline Batch Samples::first(int64_t count) const {
  return {count,
          {x.data(), static_cast<size_t>(count * x_size)},
          {y.data(), static_cast<size_t>(count * y_size)}};
}

inline std::unique_ptr<Replica> make_replica(const Graph& graph, const ReplicaOptions& options,
                                             uint64_t seed, float scale) {
  auto backend = open_backend({.name = "cpu"});
  if (!backend.ok()) throw std::runtime_error(backend.status().to_string());
  std::unique_ptr<Replica> replica = (*backend)->compile(graph, options);
  core::Rng rng(seed, {1});
  for (float& value : replica->parameters()) value = rng.uniform(-scale, scale);
  replica->parameters_changed();
  return replica;
}

inline double correct_of(const StepMetrics& metrics) { return metrics.counters.at(0); }

inline std::vector<float> copy_of(std::span<const float> values) {
  return {values.begin(), values.end()};
}

inline Graph mnist_cnn() {
  return GraphBuilder({28, 28, 1})
      .conv({.filters = 32})
      .activation(Activation::kRelu)
      .conv({.filters = 32})
      .activation(Activation::kRelu)
      .max_pool()
      .flatten()
      .dense(225)
      .activation(Activation::kRelu)
      .dense(10)
      .activation(Activation::kSoftmax)
      .build(SparseCategoricalCrossentropy{});
}

}  // namespace sluice::backend::testing
