#include "backend/ops.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>
#include <utility>

#include "backend/plan.h"
#include "sluice/errors.h"

namespace sluice::backend {
namespace {

// An op with the shapes of what it takes and gives.
struct View {
  const std::string& name;
  std::vector<const Shape*> inputs;
  const Shape& output;

  const Shape& input() const { return *inputs.front(); }
};

[[noreturn]] void fail(const View& op, const std::string& what) {
  throw std::invalid_argument(fmt::format("\"{}\": {}", op.name, what));
}

[[noreturn]] void fail_shape(const View& op, const std::string& expected, const Shape& got) {
  throw ShapeError(fmt::format("\"{}\": expected {}, got {}", op.name, expected, got.to_string()));
}

void require_output(const View& op, const Shape& expected) {
  if (op.output != expected) fail_shape(op, "an output " + expected.to_string(), op.output);
}

void require_size(const View& op, const ParameterSlice& slice, int64_t expected) {
  if (slice.size != static_cast<size_t>(expected)) {
    fail(op, fmt::format("expected a parameter of {} floats, got {}", expected, slice.size));
  }
}

int64_t window_count(int64_t size, int64_t before, int64_t after, int64_t window, int64_t stride) {
  const int64_t room = size + before + after - window;
  return room < 0 ? 0 : room / stride + 1;
}

struct Window {
  int64_t h, w, stride_h, stride_w;
  Padding2D padding;
};

// What a window that slides over `image` leaves, its channels given.
Shape windows_of(const View& op, const Window& w, const Shape& image, int64_t channels) {
  if (image.rank() != 3) fail_shape(op, "an image [H, W, C]", image);
  if (w.h < 1 || w.w < 1 || w.stride_h < 1 || w.stride_w < 1) {
    fail(op, "the window and its strides must be at least 1");
  }
  const auto inside = [](int64_t pad, int64_t size) { return pad >= 0 && pad < size; };
  if (!inside(w.padding.top, w.h) || !inside(w.padding.bottom, w.h) ||
      !inside(w.padding.left, w.w) || !inside(w.padding.right, w.w)) {
    fail(op, "padding must be at least 0 and smaller than the window");
  }
  const Shape windows{window_count(image[0], w.padding.top, w.padding.bottom, w.h, w.stride_h),
                      window_count(image[1], w.padding.left, w.padding.right, w.w, w.stride_w),
                      channels};
  if (windows.size() <= 0) fail_shape(op, "an image no smaller than the window", image);
  return windows;
}

std::vector<OpParameter> with_bias(OpParameter kernel, const std::optional<ParameterSlice>& bias) {
  std::vector<OpParameter> parameters{std::move(kernel)};
  if (bias) parameters.push_back({*bias});
  return parameters;
}

// --- The rows: traits(op, view) and check(op, view) of each kind ---

// Whether oneDNN has kernels of its own for this in blocks, and not just its reference, which is a
// hundred times as slow as its kernels for channels last: the kernel's gradient of 5 x 5 depthwise
// took 520 ms and 6 ms (2.6.3; 16 images 34 x 34 x 48, one thread), the image's gradient with
// strides of 3 likewise.
bool is_fast_in_blocks(const Conv2DOp& conv, int64_t channels, int64_t filters) {
  if (conv.groups == channels && conv.groups == filters && conv.groups > 1) {
    const auto [least, most] = std::minmax(conv.kernel_h, conv.kernel_w);
    return most <= 3 && std::max(conv.stride_h, conv.stride_w) <= least && conv.dilation_h == 1 &&
           conv.dilation_w == 1;
  }
  const int64_t block = conv.groups * kChannelBlock;
  const bool whole_blocks = conv.groups == 1 || (channels % block == 0 && filters % block == 0);
  return whole_blocks && conv.stride_h != 3 && conv.stride_w != 3;
}

ImageLayouts layouts_of(const Conv2DOp& conv, int64_t channels, int64_t filters) {
  if (!is_fast_in_blocks(conv, channels, filters)) return ImageLayouts::kPlain;
  const bool is_usual = conv.groups == 1 && !conv.transposed;
  return is_usual ? ImageLayouts::kConvolution : ImageLayouts::kBlocks;
}

OpTraits traits(const Conv2DOp& conv, const View& op) {
  const int64_t channels = op.input().dims().back(), filters = op.output.dims().back();
  return {.takes_activation = true,
          .in_bfloat16 = true,
          .keeps_gradient = true,
          .layouts = layouts_of(conv, channels, filters),
          .parameters = with_bias({conv.kernel, conv.transposed ? channels : filters}, conv.bias)};
}
void check(const Conv2DOp& conv, const View& op) {
  const Shape &image = conv.transposed ? op.output : op.input(),
              &windows = conv.transposed ? op.input() : op.output;
  const auto channels_of = [](const Shape& shape) { return shape.rank() == 3 ? shape[2] : 1; };
  if (conv.bias) require_size(op, *conv.bias, op.output.rank() == 3 ? op.output[2] : 0);
  if (conv.dilation_h < 1 || conv.dilation_w < 1) fail(op, "the dilation must be at least 1");
  const Shape expected =
      windows_of(op, {conv.extent_h(), conv.extent_w(), conv.stride_h, conv.stride_w, conv.padding},
                 image, channels_of(windows));
  if (windows != expected) {
    fail_shape(op, (conv.transposed ? "an input " : "an output ") + expected.to_string(), windows);
  }
  const int64_t groups = conv.groups;
  if (groups < 1 || image[2] % groups != 0 || windows[2] % groups != 0 ||
      (conv.transposed && groups != 1)) {
    fail(op, fmt::format("{} channels and {} filters do not go into {} groups", image[2],
                         windows[2], groups));
  }
  require_size(op, conv.kernel, conv.kernel_h * conv.kernel_w * (image[2] / groups) * windows[2]);
}

OpTraits traits(const DenseOp& dense, const View&) {
  return {.takes_activation = true,
          .in_bfloat16 = true,
          .keeps_gradient = true,
          .parameters = with_bias({dense.kernel}, dense.bias)};
}
void check(const DenseOp& dense, const View& op) {
  if (op.input().rank() < 1) fail_shape(op, "an input of rank 1 or more", op.input());
  std::vector<int64_t> expected = op.input().dims();
  if (op.output.rank() > 0) expected.back() = op.output.dims().back();
  require_output(op, Shape(expected));
  require_size(op, dense.kernel, op.input().dims().back() * op.output.dims().back());
  if (dense.bias) require_size(op, *dense.bias, op.output.dims().back());
}

OpTraits traits(const Pool2DOp&, const View&) {
  return {.in_bfloat16 = true, .layouts = ImageLayouts::kEach};
}
void check(const Pool2DOp& pool, const View& op) {
  const Shape& image = op.input();
  require_output(
      op, windows_of(op, {pool.pool_h, pool.pool_w, pool.stride_h, pool.stride_w, pool.padding},
                     image, image.rank() == 3 ? image[2] : 1));
}

OpTraits traits(const BatchNormOp& norm, const View&) {
  OpTraits traits{.takes_relu = true,
                  .in_bfloat16 = true,
                  .keeps_gradient = true,
                  .layouts = ImageLayouts::kSame,
                  .parameters = {}};
  for (const auto& slice : {norm.gamma, norm.beta}) {
    traits.parameters.push_back({slice.value_or(ParameterSlice{})});
  }
  for (const ParameterSlice& slice : {norm.mean, norm.variance})
    traits.parameters.push_back({slice});
  return traits;
}
void check(const BatchNormOp& norm, const View& op) {
  if (op.input().rank() < 1) fail_shape(op, "an input of rank 1 or more", op.input());
  require_output(op, op.input());
  const int64_t channels = op.input().dims().back();
  for (const auto& slice : {norm.gamma, norm.beta}) {
    if (slice) require_size(op, *slice, channels);
  }
  for (const ParameterSlice& slice : {norm.mean, norm.variance}) {
    require_size(op, slice, channels);
    const bool moves = slice.role == ParameterRole::kState;
    if (moves == norm.frozen) fail(op, "moving statistics are state, unless it is frozen");
  }
  if (!(norm.momentum >= 0 && norm.momentum <= 1)) {
    fail(op, fmt::format("the momentum must be from 0 to 1, got {:f}", norm.momentum));
  }
  if (!(norm.epsilon >= 0)) {
    fail(op, fmt::format("epsilon must be at least 0, got {:f}", norm.epsilon));
  }
}

OpTraits traits(const NormalizeOp& norm, const View&) {
  OpTraits traits;
  for (const auto& slice : {norm.gamma, norm.beta}) {
    traits.parameters.push_back({slice.value_or(ParameterSlice{})});
  }
  return traits;
}
void check(const NormalizeOp& norm, const View& op) {
  require_output(op, op.input());
  int64_t elements = 1, weights = 1;
  for (const NormalizeOp::Axis& axis : norm.view) {
    elements *= axis.size;
    if (axis.weighted) weights *= axis.size;
  }
  if (elements != op.input().size()) {
    fail_shape(op, fmt::format("an input of {} elements", elements), op.input());
  }
  if (norm.view.size() > NormalizeOp::kMostAxes) {
    fail(op, fmt::format("at most {} axes can be told apart", NormalizeOp::kMostAxes));
  }
  for (const auto& slice : {norm.gamma, norm.beta}) {
    if (slice) require_size(op, *slice, weights);
  }
  if (!(norm.epsilon >= 0)) {
    fail(op, fmt::format("epsilon must be at least 0, got {:f}", norm.epsilon));
  }
}

OpTraits traits(const ActivationOp& op, const View&) {
  return {.is_identity = op.activation == Activation::kLinear,
          .layouts = op.activation.is_elementwise() ? ImageLayouts::kSame : ImageLayouts::kPlain};
}
void check(const ActivationOp& activation, const View& op) {
  require_output(op, op.input());
  if (!activation.activation.is_elementwise() && op.input().rank() < 1) {
    fail_shape(op, "an input of rank 1 or more", op.input());
  }
  if (activation.axis < -1 || activation.axis >= std::max(op.input().rank(), 1)) {
    fail(op, fmt::format("there is no axis {}", activation.axis));
  }
}

OpTraits traits(const NoiseOp& noise, const View&) {
  return {.is_identity = noise.strength == 0, .layouts = ImageLayouts::kSame};
}
void check(const NoiseOp& noise, const View& op) {
  require_output(op, op.input());
  const bool is_rate = noise.kind != NoiseOp::Kind::kGaussianNoise;
  if (is_rate && !(noise.strength >= 0 && noise.strength < 1)) {
    fail(op, fmt::format("the rate must be at least 0 and below 1, got {:f}", noise.strength));
  }
  if (!is_rate && !(noise.strength >= 0 && std::isfinite(noise.strength))) {
    fail(op, fmt::format("the standard deviation must be at least 0, got {:f}", noise.strength));
  }
  if (noise.shared.empty()) return;
  if (noise.kind != NoiseOp::Kind::kDropout && noise.kind != NoiseOp::Kind::kAlphaDropout) {
    fail(op, "normal noise is drawn for each element");
  }
  const int rank = op.input().rank();
  if (rank > NoiseOp::kMostAxes || noise.shared.size() != static_cast<size_t>(rank) + 1) {
    fail_shape(
        op,
        fmt::format("an input of {} axes, at most {}", noise.shared.size() - 1, NoiseOp::kMostAxes),
        op.input());
  }
}

OpTraits traits(const ReshapeOp&, const View&) { return {.is_identity = true}; }
void check(const ReshapeOp&, const View& op) {
  if (op.input().size() != op.output.size()) {
    fail_shape(op, fmt::format("an output of {} elements", op.input().size()), op.output);
  }
}

// The gradients of the largest and the smallest follow from comparing the inputs with the output,
// which must be what it was.
OpTraits traits(const MergeOp& merge, const View&) {
  using Kind = MergeOp::Kind;
  return {.takes_activation = merge.kind != Kind::kMaximum && merge.kind != Kind::kMinimum,
          .passes_gradient = merge.kind == Kind::kAdd,
          .layouts = ImageLayouts::kSame};
}
void check(const MergeOp& merge, const View& op) {
  if (op.inputs.size() > MergeOp::kMostInputs) {
    fail(op,
         fmt::format("expected at most {} inputs, got {}", MergeOp::kMostInputs, op.inputs.size()));
  }
  if (merge.kind == MergeOp::Kind::kSubtract && op.inputs.size() != 2) {
    fail(op, fmt::format("expected two inputs, got {}", op.inputs.size()));
  }
  for (const Shape* input : op.inputs) {
    if (*input != op.input()) fail_shape(op, "inputs of one shape", *input);
  }
  require_output(op, op.input());
}

// Of images whose channels stay where they are, whole blocks of channels can be moved.
bool keeps_channels(const RearrangeOp& op, const Shape& x, const Shape& y) {
  if (op.axes.size() != 3 || x.rank() != 3 || y.rank() != 3) return false;
  const RearrangeOp::Axis& channels = op.axes.back();
  return channels.from == 2 && channels.repeat == 1 && channels.before == 0 && x[2] == y[2];
}

bool moves_nothing(const RearrangeOp& op, const Shape& x, const Shape& y) {
  for (size_t k = 0; k < op.axes.size(); ++k) {
    const RearrangeOp::Axis& axis = op.axes[k];
    if (axis.from != static_cast<int>(k) || axis.repeat != 1 || axis.before != 0) return false;
  }
  return x == y;
}

OpTraits traits(const RearrangeOp& rearrange, const View& op) {
  const bool keeps = keeps_channels(rearrange, op.input(), op.output);
  return {.is_identity = moves_nothing(rearrange, op.input(), op.output),
          .in_any_type = true,
          .layouts = keeps ? ImageLayouts::kSame : ImageLayouts::kPlain};
}
void check(const RearrangeOp& rearrange, const View& op) {
  const int rank = op.input().rank();
  if (rank > RearrangeOp::kMostAxes) {
    fail_shape(op, fmt::format("an input of at most {} axes", RearrangeOp::kMostAxes), op.input());
  }
  if (op.output.rank() != rank || rearrange.axes.size() != static_cast<size_t>(rank)) {
    fail_shape(op, fmt::format("an output of {} axes, and where each comes from", rank), op.output);
  }
  std::vector<bool> taken(static_cast<size_t>(rank), false);
  for (const RearrangeOp::Axis& axis : rearrange.axes) {
    if (axis.from < 0 || axis.from >= rank || taken[static_cast<size_t>(axis.from)]) {
      fail(op, "every axis of the input must become one of the output");
    }
    taken[static_cast<size_t>(axis.from)] = true;
    if (axis.repeat < 1) fail(op, "elements must be repeated at least once");
  }
}

OpTraits traits(const ConcatenateOp&, const View&) {
  return {.in_any_type = true, .layouts = ImageLayouts::kSame};
}
void check(const ConcatenateOp& concatenate, const View& op) {
  const int axis = concatenate.axis;
  if (axis < 0 || axis >= op.input().rank()) {
    fail_shape(op, fmt::format("inputs with an axis {}", axis), op.input());
  }
  const auto k = static_cast<size_t>(axis);
  std::vector<int64_t> expected = op.input().dims();
  expected[k] = 0;
  for (const Shape* input : op.inputs) {
    std::vector<int64_t> others = input->dims();
    if (others.size() == expected.size()) others[k] = expected[k];
    if (others != expected) fail_shape(op, "inputs that differ along one axis only", *input);
    expected[k] += (*input)[axis];
  }
  require_output(op, Shape(expected));
}

OpTraits traits(const InterpolateOp& interpolate, const View& op) {
  const bool keeps = op.input().rank() == 3 && interpolate.axis < 2;
  return {.is_identity = interpolate.factor == 1,
          .layouts = keeps ? ImageLayouts::kSame : ImageLayouts::kPlain};
}
void check(const InterpolateOp& interpolate, const View& op) {
  const int axis = interpolate.axis;
  if (axis < 0 || axis >= op.input().rank()) {
    fail_shape(op, fmt::format("an input with an axis {}", axis), op.input());
  }
  if (interpolate.factor < 1) fail(op, "the factor must be at least 1");
  std::vector<int64_t> expected = op.input().dims();
  expected[static_cast<size_t>(axis)] *= interpolate.factor;
  require_output(op, Shape(expected));
}

OpTraits traits(const AffineOp&, const View&) { return {}; }
void check(const AffineOp& affine, const View& op) {
  require_output(op, op.input());
  const size_t count = affine.scale.size();
  if (count == 0 || affine.center.size() != count || affine.offset.size() != count) {
    fail(op, "expected as many centers, scales and offsets, and at least one of each");
  }
  if (op.input().size() % static_cast<int64_t>(count) != 0) {
    fail_shape(op, fmt::format("an input of rows of {} elements", count), op.input());
  }
}

OpTraits traits(const StandardizeOp& standardize, const View&) {
  return {.parameters = {{standardize.mean}, {standardize.variance}}};
}
void check(const StandardizeOp& standardize, const View& op) {
  require_output(op, op.input());
  const bool of_all = standardize.mean.size == 1;
  if (!of_all && op.input().rank() < 1) fail_shape(op, "an input of rank 1 or more", op.input());
  for (const ParameterSlice& slice : {standardize.mean, standardize.variance}) {
    require_size(op, slice, of_all ? 1 : op.input().dims().back());
    if (slice.role != ParameterRole::kFrozen) fail(op, "mean and variance are not trained");
  }
}

OpTraits traits(const EmbeddingOp& embedding, const View&) {
  return {.parameters = {{embedding.table}}};
}
void check(const EmbeddingOp& embedding, const View& op) {
  if (op.output.rank() < 1) fail_shape(op, "an output of rank 1 or more", op.output);
  std::vector<int64_t> expected = op.input().dims();
  expected.push_back(op.output.dims().back());
  require_output(op, Shape(expected));
  if (embedding.rows < 1 || embedding.rows > EmbeddingOp::kMostRows) {
    fail(op, fmt::format("expected 1 to {} rows, got {}", EmbeddingOp::kMostRows, embedding.rows));
  }
  require_size(op, embedding.table, embedding.rows * op.output.dims().back());
}

OpTraits traits(const HostOp& host, const View&) {
  OpTraits traits;
  for (const ParameterSlice& slice : host.parameters) traits.parameters.push_back({slice});
  return traits;
}
void check(const HostOp& host, const View& op) {
  if (host.kernel == nullptr) fail(op, "a host operation needs a kernel");
}

bool takes_several(const OpKind& kind) {
  return std::holds_alternative<MergeOp>(kind) || std::holds_alternative<ConcatenateOp>(kind);
}

View view_of(const Graph& graph, const Op& op) {
  View view{op.name, {}, graph.values[op.output]};
  for (const ValueId input : op.inputs) view.inputs.push_back(&graph.values[input]);
  return view;
}

}  // namespace

OpTraits traits_of(const Graph& graph, const Op& op) {
  const View view = view_of(graph, op);
  return std::visit([&](const auto& kind) { return traits(kind, view); }, op.kind);
}

std::vector<ParameterSlice> untrained_of(const Graph& graph) {
  std::map<size_t, ParameterSlice> untrained;  // by where they begin
  for (const Op& op : graph.ops) {
    for (const OpParameter& parameter : traits_of(graph, op).parameters) {
      if (parameter.slice.role != ParameterRole::kTrainable) {
        untrained.emplace(parameter.slice.offset, parameter.slice);
      }
    }
  }
  std::vector<ParameterSlice> in_order;
  for (const auto& [offset, slice] : untrained) in_order.push_back(slice);
  return in_order;
}

void check_op(const Graph& graph, const Op& op) {
  const View view = view_of(graph, op);
  if (op.inputs.empty() || (op.inputs.size() > 1 && !takes_several(op.kind))) {
    fail(view, fmt::format("expected {}, got {}",
                           takes_several(op.kind) ? "at least one input" : "one input",
                           op.inputs.size()));
  }
  if (view.output.size() <= 0) {
    fail_shape(view, "an output without empty dimensions", view.output);
  }
  std::visit([&](const auto& kind) { check(kind, view); }, op.kind);
}

SoftmaxRows softmax_rows(const ActivationOp& op, const Shape& shape) {
  const int axis = op.axis < 0 ? shape.rank() - 1 : op.axis;
  SoftmaxRows rows{.outer = 1, .columns = shape[axis], .inner = 1};
  for (int i = 0; i < shape.rank(); ++i) {
    if (i != axis) (i < axis ? rows.outer : rows.inner) *= shape[i];
  }
  return rows;
}

bool is_softmax(const Graph& graph, const Op& op) {
  const auto* activation = std::get_if<ActivationOp>(&op.kind);
  if (activation == nullptr || activation->activation != Activation::kSoftmax) return false;
  const Shape& shape = graph.values[op.output];
  const SoftmaxRows rows = softmax_rows(*activation, shape);
  // Behind another axis there may be nothing but axes of size 1.
  return rows.inner == 1 && rows.columns == shape.dims().back();
}

std::optional<Activation> fusible_activation(const Op& op) {
  const auto* activation = std::get_if<ActivationOp>(&op.kind);
  if (activation == nullptr || !activation->activation.is_differentiable_from_output()) return {};
  return activation->activation;
}

}  // namespace sluice::backend
