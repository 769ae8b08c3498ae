// What a backend compiles: a model reduced to operations over [N, ...] tensors.
//
// nn/ lowers a model to a Graph; a backend plans it (backend/plan.h) and compiles it into a
// Replica, free to fuse neighbours (convolution + bias + ReLU, softmax + crossentropy). Activations
// are channels last, kernels HWIO and [in, units], all in Keras' layout. Parameters are named by
// where they lie in the model's ParameterLayout, so a backend never sees names or layers.
//
// Letters: N batch, H W spatial, C channels, F features, K classes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "backend/activation.h"
#include "backend/metrics.h"
#include "backend/weight_rule.h"
#include "loss/traits.h"
#include "sluice/losses.h"
#include "sluice/shape.h"

namespace sluice::backend {

// Who changes a parameter in training.
enum class ParameterRole {
  kTrainable,  // the optimizer
  kFrozen,     // nobody
  kState,      // the forward pass of each training step, as it does moving averages
};

// A variable's place in the parameter buffer, in floats. Ops that share one name the same slice.
struct ParameterSlice {
  size_t offset = 0;
  size_t size = 0;
  ParameterRole role = ParameterRole::kTrainable;

  bool operator==(const ParameterSlice&) const = default;
};

// Zeros (or, for max pooling, -infinity) around the image; Keras' "same" is asymmetric.
struct Padding2D {
  int64_t top = 0, bottom = 0, left = 0, right = 0;
};

// y[n, h, w, f] = b[f] + sum over i, j, c of
//                            x[n, h s_h + i d_h - top, w s_w + j d_w - left, c] W[i, j, c, f]
//
// In G groups, filters f of group g see the C / G channels c of x from g C / G on; a depthwise
// convolution has as many groups as channels. Transposed, y is what the gradient of x would be, of
// the convolution that leads from images of y's shape to images of x's, for which strides, padding
// and dilation are meant: y[n, h s_h + i d_h - top, w s_w + j d_w - left, f] is the sum of all
// x[n, h, w, c] W[i, j, f, c] that meet there, and b[f]. It has one group.
struct Conv2DOp {
  int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1;
  Padding2D padding{};
  // [kernel_h, kernel_w, C / groups, filters]; transposed: [kernel_h, kernel_w, filters, C].
  ParameterSlice kernel{};
  std::optional<ParameterSlice> bias{};  // [filters]
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t groups = 1;
  bool transposed = false;

  // The pixels that a window spans.
  int64_t extent_h() const { return (kernel_h - 1) * dilation_h + 1; }
  int64_t extent_w() const { return (kernel_w - 1) * dilation_w + 1; }
};

// y = x W + b over the last axis; leading axes are taken together as rows.
struct DenseOp {
  ParameterSlice kernel{};               // [F, units]
  std::optional<ParameterSlice> bias{};  // [units]
};

// Maximum, or mean over the cells inside the image (Keras does not count padding). A window with
// NaN in it gives NaN; a maximum passes its gradient to the first largest cell, row by row, or to
// the last NaN.
struct Pool2DOp {
  enum class Kind { kMax, kAverage } kind = Kind::kMax;
  int64_t pool_h = 2, pool_w = 2, stride_h = 2, stride_w = 2;
  Padding2D padding{};
};

struct ActivationOp {
  Activation activation{};
  int axis = -1;  // of softmax and its logarithm, from 0 without the batch, or -1 for the last

  bool operator==(const ActivationOp&) const = default;
};

// Noise in training, y = m x + a with m and a drawn for each element; y = x in inference. What is
// drawn is a function of (seed, the replica's step number) and the element alone.
//
//   dropout            1 / (1 - rate) x, or 0 with probability `rate`
//   alpha dropout      s x - s l rate, or s l (1 - rate) with probability `rate`, where l = -1.7581
//                      and s = 1 / sqrt((1 - rate) (1 + rate l^2))
//   Gaussian dropout   x (1 + sqrt(rate / (1 - rate)) z), z normal
//   Gaussian noise     x + stddev z
struct NoiseOp {
  enum class Kind { kDropout, kAlphaDropout, kGaussianDropout, kGaussianNoise };
  static constexpr int kMostAxes = 8;

  Kind kind = Kind::kDropout;
  float strength = 0;  // the rate, or stddev
  uint64_t seed = 0;
  // Of the first two: the axes, the batch first, along which all elements are given the same. Empty
  // for none.
  std::vector<bool> shared{};
};

// Of each channel c, over the batch and all axes but the last:
//   y = (x - m_c) / sqrt(v_c + epsilon) gamma_c + beta_c
// Training takes the mean m and the variance v (divided by the count, not by one less) of the
// batch, and moves mean_c = momentum mean_c + (1 - momentum) m_c, and variance_c likewise.
// Inference takes the moving ones, and so does training when `frozen`, which then moves nothing.
struct BatchNormOp {
  double momentum = 0.99, epsilon = 1e-3;
  bool frozen = false;
  std::optional<ParameterSlice> gamma{}, beta{};  // [C]; without: 1, and 0
  ParameterSlice mean{}, variance{};              // [C], state
};

// Normalizes groups of a sample's elements, whose axes `view` takes apart or together: elements
// whose places differ only along the normalized axes are a group, and
//
//   standard   z = (x - m) / sqrt(v + epsilon)          m, v the group's mean and variance (divided
//                                                       by the count, not by one less)
//   rms        z = x / sqrt(mean of x^2 + epsilon)
//   unit       z = x / max(sqrt(sum of x^2), epsilon)
//   none       z = x                                    for the weights alone
//
//   y = z gamma + beta
//
// where gamma and beta have an element for each place along the weighted axes, row-major.
struct NormalizeOp {
  enum class Kind { kStandard, kRms, kUnit, kNone };
  struct Axis {
    int64_t size = 1;
    bool normalized = false, weighted = false;
  };
  static constexpr int kMostAxes = 8;

  Kind kind = Kind::kStandard;
  double epsilon = 1e-3;
  std::vector<Axis> view{};                       // of the sample, row-major
  std::optional<ParameterSlice> gamma{}, beta{};  // without: 1, and 0
};

// The same elements, row-major, under another shape. Costs nothing.
struct ReshapeOp {};

// Arithmetic of a layer that the user's program defines, run on the host between two other ops.
// Implementations keep no state: everything is in the arguments. Thrown exceptions end the step.
class HostKernel {
 public:
  virtual ~HostKernel() = default;
  struct Forward {
    int64_t batch;
    std::span<const float> x;                        // [N, input...]
    std::vector<std::span<const float>> parameters;  // in the order of HostOp::parameters
    std::span<float> y;                              // [N, output...], to be written
    bool training;
  };
  struct Backward {
    int64_t batch;
    std::span<const float> x, y, dy;
    std::vector<std::span<const float>> parameters;
    std::span<float> dx;                        // to be written; empty when nobody needs it
    std::vector<std::span<float>> dparameters;  // to be written
  };
  virtual void forward(const Forward& args) const = 0;
  virtual void backward(const Backward& args) const = 0;
};

struct HostOp {
  std::shared_ptr<const HostKernel> kernel{};
  std::vector<ParameterSlice> parameters{};
};

// Elementwise over inputs of one shape, in their order: x_1 + ... + x_n, x_1 - x_2, the product,
// the mean, the largest or the smallest, whose gradient goes to the first that has it.
struct MergeOp {
  enum class Kind { kAdd, kSubtract, kMultiply, kAverage, kMaximum, kMinimum } kind = Kind::kAdd;
  static constexpr size_t kMostInputs = 32;
};

// Moves elements: each axis of the output is an axis of the input, padded, cut or with its elements
// repeated. Axes count from 0, without the batch.
//
//   y[o_0, o_1, ...] = x at o_k / repeat_k - before_k along its axis from_k    (rounded down)
//
// and 0 where that lies outside of x.
struct RearrangeOp {
  struct Axis {
    int from = 0;  // each axis of the input once
    int64_t repeat = 1, before = 0;
  };
  static constexpr int kMostAxes = 8;
  std::vector<Axis> axes{};  // of the output, whose shape says where each ends
};

// The inputs one behind the other along an axis, which counts from 0, without the batch.
struct ConcatenateOp {
  int axis = 0;
};

// `factor` elements for each of the n along an axis, from those around the same place:
//
//   y[o] = sum over i of f(d_i) x[i] / sum over i of f(d_i)     d_i = (o + 1/2) / factor - 1/2 - i
//
//   linear      f(d) = 1 - |d|, up to |d| = 1
//   cubic       f(d) = 1.5 |d|^3 - 2.5 |d|^2 + 1, up to |d| = 1,
//                      -0.5 |d|^3 + 2.5 |d|^2 - 4 |d| + 2, up to |d| = 2      Keys, 1981
//   lanczos r   f(d) = sinc(d) sinc(d / r), up to |d| = r, of 3 or 5, where
//                      sinc(d) = sin(pi d) / (pi d)                           Duchon, 1979
//
// The axis counts from 0, without the batch.
struct InterpolateOp {
  enum class Kind { kLinear, kCubic, kLanczos3, kLanczos5 };

  int axis = 0;
  int64_t factor = 1;
  Kind kind = Kind::kLinear;
};

// y = (x - center) scale + offset. Each has one number, or one for each element along the last
// axes, as many as the others.
struct AffineOp {
  std::vector<float> center{}, scale{}, offset{};
};

// y = (x - mean) / d with d = max(sqrt(variance), 1e-7), over the last axis, or one of each over
// all; inverted, y = x d + mean. Nobody trains them.
struct StandardizeOp {
  ParameterSlice mean{}, variance{};  // [F] or [1]
  bool invert = false;
};

// Rows of a table by their numbers, which count from 0 and are floats: [T...] becomes [T..., D].
// NaN where there is no such row. Nothing depends on the numbers smoothly: their gradient is 0.
struct EmbeddingOp {
  static constexpr int64_t kMostRows = int64_t{1} << 24;  // up to there floats are exact
  ParameterSlice table{};                                 // [rows, D]
  int64_t rows = 0;
};

// Every kind of operation. What else a new one needs: its row in backend/ops.cc, and a file with
// its kernel in cpu/ and in cuda/.
#define SLUICE_FOR_EACH_OP(X) \
  X(Conv2DOp)                 \
  X(DenseOp)                  \
  X(Pool2DOp)                 \
  X(BatchNormOp)              \
  X(NormalizeOp)              \
  X(ActivationOp)             \
  X(NoiseOp)                  \
  X(ReshapeOp)                \
  X(MergeOp)                  \
  X(RearrangeOp)              \
  X(ConcatenateOp)            \
  X(InterpolateOp)            \
  X(AffineOp)                 \
  X(StandardizeOp)            \
  X(EmbeddingOp)              \
  X(HostOp)

template <typename, typename... Kinds>
using OneOfAfterTheFirst = std::variant<Kinds...>;
#define SLUICE_NEXT_OP(Op) , Op
using OpKind = OneOfAfterTheFirst<void SLUICE_FOR_EACH_OP(SLUICE_NEXT_OP)>;
#undef SLUICE_NEXT_OP

// The number of a value in its graph.
using ValueId = size_t;

struct Op {
  std::string name;  // the layer's, for messages and profiles
  std::vector<ValueId> inputs;
  ValueId output;
  OpKind kind;
};

// Of a parameter that is trained.
struct WeightRule {
  ParameterSlice slice{};
  float l1 = 0, l2 = 0;
  std::optional<Orthogonality> orthogonality{};
  bool not_negative = false;             // what is less becomes 0 after a step
  std::optional<NormConstraint> norm{};  // after it

  bool is_penalized() const { return l1 != 0 || l2 != 0 || orthogonality.has_value(); }
  bool is_constrained() const { return not_negative || norm.has_value(); }
  float gradient(float w) const { return penalty_gradient(l1, l2, w); }
};

// l1 sum |y| + l2 sum y^2 of a sample's numbers, which adds to its loss.
struct ActivityPenalty {
  ValueId value = 0;
  float l1 = 0, l2 = 0;
};

// What predict() gives, and a loss compares with its targets. The value may be read by ops as well,
// and be another output too.
struct GraphOutput {
  ValueId value = 0;
  // Over outputs [T..., K], mean over the batch and the positions T.... Targets are [N, T..., K],
  // of losses that take class numbers, [N, T...]. Losses that take logits (loss/traits.h)
  // are computed from the inputs of a last softmax or sigmoid.
  LossSpec loss = SparseCategoricalCrossentropy{};
  float weight = 1;  // of this loss: what is trained is the weighted sum over the outputs
  std::vector<Metric> metrics{};

  bool takes_class_numbers() const {
    return loss::traits_of(loss).class_target == loss::ClassTarget::kNumber;
  }
  bool operator==(const GraphOutput&) const = default;
};

// A sample is one row of floats: what the inputs take, one after another in their order. So are its
// targets, and its outputs.
struct Graph {
  std::vector<Shape> values;         // without the batch
  std::vector<ValueId> inputs;       // at least one
  std::vector<GraphOutput> outputs;  // at least one
  std::vector<Op> ops;               // each behind those whose outputs it takes
  size_t parameter_size = 0;         // floats in the parameter buffer
  // Each sample's targets have one more number behind them: its weight. The loss of a batch is the
  // sum of weights times losses, divided by the number of samples. Metrics do not know it.
  bool weighted = false;
  std::vector<WeightRule> weight_rules;  // of some parameters, one each
  std::vector<ActivityPenalty> activity_penalties;

  Graph() = default;
  // Of nothing but its inputs, values 0, 1, ...; outputs and ops come later.
  explicit Graph(std::vector<Shape> input_shapes) : values(std::move(input_shapes)) {
    for (ValueId input = 0; input < values.size(); ++input) inputs.push_back(input);
  }
  // Adds an op and its output, and returns that.
  ValueId add(std::string name, OpKind kind, std::vector<ValueId> op_inputs, Shape shape) {
    values.push_back(std::move(shape));
    const ValueId output = values.size() - 1;
    ops.push_back({std::move(name), std::move(op_inputs), output, std::move(kind)});
    return output;
  }

  const Shape& shape_of(const GraphOutput& output) const { return values[output.value]; }
  // K: the size of the output's last axis.
  int64_t classes(const GraphOutput& output) const {
    const Shape& shape = shape_of(output);
    return shape.rank() == 0 ? 1 : shape.dims().back();
  }
  // T: rows of K outputs that one sample has.
  int64_t positions(const GraphOutput& output) const {
    return shape_of(output).size() / classes(output);
  }
  // Floats of target per sample: one class number, or K floats, for each position.
  int64_t target_size(const GraphOutput& output) const {
    return output.takes_class_numbers() ? positions(output) : shape_of(output).size();
  }

  // Floats of a sample: in x, in what predict() gives, in y, where its weight comes last.
  int64_t input_size() const {
    int64_t size = 0;
    for (const ValueId input : inputs) size += values[input].size();
    return size;
  }
  int64_t output_size() const {
    int64_t size = 0;
    for (const GraphOutput& output : outputs) size += shape_of(output).size();
    return size;
  }
  int64_t target_size() const {
    int64_t size = weighted ? 1 : 0;
    for (const GraphOutput& output : outputs) size += target_size(output);
    return size;
  }

  // Of StepMetrics: for each output its loss, where there are several, and its metrics' counters.
  size_t counters() const {
    size_t count = outputs.size() > 1 ? outputs.size() : 0;
    for (const GraphOutput& output : outputs) {
      for (const Metric& metric : output.metrics) count += counters_of(metric, classes(output));
    }
    return count;
  }
};

}  // namespace sluice::backend
