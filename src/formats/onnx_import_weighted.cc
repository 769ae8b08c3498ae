// OnnxImporter: products with weights, normalization, and what makes images larger.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "formats/onnx_importer.h"
#include "sluice/layers.h"

namespace sluice::formats {

// An activation whose node is named as a part of this one, "conv2d/Relu" of "conv2d".
ActivationFunction OnnxImporter::absorbed_activation(const OnnxNode& node, size_t rank,
                                                     std::string* output) {
  const OnnxNode* last = producer(*output);
  const OnnxNode* next = last == nullptr ? nullptr : only_reader(*last);
  if (next == nullptr || node.name.empty() || !next->name.starts_with(node.name + "/") ||
      next->outputs.size() != 1) {
    return "linear";
  }
  std::optional<ActivationFunction> f = elementwise(*next);
  if (next->op_type == "Softmax" || next->op_type == "LogSoftmax") {
    // Over the channels, which the layer gives last: the file's axis 1 of images, else its last.
    const auto axes = static_cast<int64_t>(rank) + 1;
    const int64_t given = next->integer("axis", -1), axis = given < 0 ? given + axes : given;
    const bool is_image = node.op_type.starts_with("Conv");
    if (axis != (is_image ? 1 : axes - 1)) return "linear";
    f = next->op_type == "Softmax" ? "softmax" : "log_softmax";
  }
  if (next->op_type == "Clip") {
    const OnnxTensor *least = constant(*next, 1), *most = constant(*next, 2);
    const auto is = [](const OnnxTensor* bound, float value) {
      return bound != nullptr && bound->size() == 1 && !bound->is_whole() &&
             bound->floats().front() == value;
    };
    if (is(least, 0) && is(most, 6)) f = "relu6";
    if (is(least, -1) && is(most, 1)) f = "hard_tanh";
  }
  if (!f) return "linear";
  absorb(*next);
  *output = next->outputs[0];
  return *f;
}

OnnxImporter::Value OnnxImporter::finished(const OnnxNode& node, const std::string& output,
                                           Value value) {
  if (output != node.outputs[0]) values_[output] = value;
  return value;
}

// With that axis of the file last in the tensor.
OnnxImporter::Value OnnxImporter::with_last(Value x, size_t axis, const OnnxNode& node) {
  const int last = static_cast<int>(x.dims.size()) - 1;
  if (x.order[axis] == last) return x;
  Order order;
  for (const int at : x.order) order.push_back(at - (at > x.order[axis] ? 1 : 0));
  order[axis] = last;
  x.tensor = arranged(x, order, node);
  x.order = order;
  return x;
}

OnnxImporter::Value OnnxImporter::dense(const OnnxNode& node, std::vector<float> kernel,
                                        int64_t units, std::optional<std::vector<float>> bias,
                                        std::string output) {
  Value x = raw_operand(node, 0);
  const std::string name = layer_name(node);
  if (x.image) {
    const auto& [dims, order] = *x.image;
    Ints sizes = dims;
    sizes.push_back(units);
    Order rows(dims.size());
    for (size_t k = 0; k < dims.size(); ++k) {
      rows[static_cast<size_t>(order[k])] = static_cast<int>(k);
    }
    rows.push_back(static_cast<int>(dims.size()));
    kernel = reordered(kernel, sizes, rows);
  } else {
    x = with_last(x, x.dims.size() - 1, node);
  }
  set_weight(name + "/kernel", std::move(kernel));
  const bool has_bias = bias.has_value();
  if (bias) set_weight(name + "/bias", *std::move(bias));
  const ActivationFunction f = absorbed_activation(node, x.dims.size(), &output);
  Value y = after(
      x, Dense({.units = units, .activation = f, .use_bias = has_bias, .name = name})(*x.tensor));
  y.dims.back() = units;
  y.image.reset();
  y.is_positive = f.name == "relu" || f.name == "sigmoid";
  return finished(node, output, y);
}

OnnxImporter::Value OnnxImporter::gemm(const OnnxNode& node) {
  const Value& x = raw_operand(node, 0);
  const OnnxTensor& b = required_constant(node, 1, "the second factor");
  const bool is_transposed = node.integer("transB", 0) != 0;
  if (node.integer("transA", 0) != 0 || x.dims.size() != 1 || b.dims.size() != 2 || b.is_whole() ||
      b.size() == 0 || b.dims[is_transposed ? 1 : 0] != x.dims[0]) {
    fail(node, "Sluice has it of rows, with a constant that fits");
  }
  const int64_t units = b.dims[is_transposed ? 0 : 1];
  std::vector<float> kernel = is_transposed ? reordered(b.floats(), b.dims, {1, 0}) : b.floats();
  for (float& weight : kernel) weight *= node.number("alpha", 1);
  std::optional<std::vector<float>> bias;
  if (has_input(node, 2)) {
    bias = floats(node, 2, "what is added");
    if (bias->size() == 1) bias->resize(static_cast<size_t>(units), bias->front());
    if (bias->size() != static_cast<size_t>(units)) fail(node, "what is added does not fit");
    for (float& each : *bias) each *= node.number("beta", 1);
  }
  return dense(node, std::move(kernel), units, std::move(bias), node.outputs[0]);
}

OnnxImporter::Value OnnxImporter::matmul(const OnnxNode& node) {
  const Value& x = raw_operand(node, 0);
  const OnnxTensor& b = required_constant(node, 1, "the second factor");
  if (x.dims.empty() || b.dims.size() != 2 || b.is_whole() || b.size() == 0 ||
      b.dims[0] != x.dims.back()) {
    fail(node, "Sluice has it with a constant [features, units] that fits");
  }
  std::optional<std::vector<float>> bias;
  std::string output = node.outputs[0];
  const OnnxNode* sum = only_reader(node);
  if (sum != nullptr && sum->op_type == "Add" && sum->inputs.size() == 2) {
    const OnnxTensor* c = constant(*sum, sum->input(0) == output ? 1 : 0);
    if (c != nullptr && !c->is_whole() && !c->dims.empty() && c->dims.back() == b.dims[1] &&
        c->size() == static_cast<size_t>(b.dims[1])) {
      bias = c->floats();
      absorb(*sum);
      output = sum->outputs[0];
    }
  }
  return dense(node, b.floats(), b.dims[1], std::move(bias), output);
}

OnnxImporter::Value OnnxImporter::batch_normalization(const OnnxNode& node) {
  Value x = operand(node, 0);
  if (x.dims.empty()) fail(node, "its input has no channels");
  if (node.integer("training_mode", 0) != 0) fail(node, "it is of training, not of inference");
  if (node.integer("spatial", 1) != 1) fail(node, "Sluice has it by channels only");
  x = with_last(x, 0, node);
  const std::string name = layer_name(node);
  static constexpr const char* kWeights[] = {"gamma", "beta", "moving_mean", "moving_variance"};
  for (size_t k = 0; k < std::size(kWeights); ++k) {
    std::vector<float> values = floats(node, k + 1, kWeights[k]);
    if (values.size() != static_cast<size_t>(x.dims[0])) {
      fail(node, fmt::format("{} does not fit the channels", kWeights[k]));
    }
    set_weight(name + "/" + kWeights[k], std::move(values));
  }
  const double momentum = node.number("momentum", 0.9f), epsilon = node.number("epsilon", 1e-5f);
  return after(
      x, BatchNormalization({.momentum = momentum, .epsilon = epsilon, .name = name})(*x.tensor));
}

OnnxImporter::Value OnnxImporter::instance_normalization(const OnnxNode& node) {
  Value x = operand(node, 0);
  if (x.dims.size() < 2) fail(node, "its input is no image");
  x = with_last(x, 0, node);
  const std::string name = layer_name(node);
  set_weight(name + "/gamma", floats(node, 1, "the scale"));
  set_weight(name + "/beta", floats(node, 2, "the bias"));
  const double epsilon = node.number("epsilon", 1e-5f);
  return after(x, GroupNormalization({.groups = -1, .epsilon = epsilon, .name = name})(*x.tensor));
}

// As PyTorch writes it, and we: groups of channels as rows, each an instance, then the weights.
std::optional<OnnxImporter::Value> OnnxImporter::group_normalization(const OnnxNode& node,
                                                                     const Value& x) {
  const OnnxNode* norm = only_reader(node);
  const OnnxNode* back = norm == nullptr ? nullptr : only_reader(*norm);
  if (norm == nullptr || norm->op_type != "InstanceNormalization" || back == nullptr ||
      back->op_type != "Reshape" || x.dims.empty() || x.image) {
    return std::nullopt;
  }
  const auto all = [&](size_t input, float value) {
    const OnnxTensor* c = constant(*norm, input);
    return c != nullptr && !c->is_whole() &&
           std::ranges::all_of(c->floats(), [value](float each) { return each == value; });
  };
  const Ints rows = whole(node, 1, "the shape");
  if (rows.size() != 3 || rows[1] < 1 || x.dims[0] % rows[1] != 0 || !all(1, 1) || !all(2, 0)) {
    return std::nullopt;
  }
  // Back to what it was.
  const OnnxTensor* shape = constant(*back, 1);
  if (shape == nullptr || !shape->is_whole() || shape->size() != x.dims.size() + 1) {
    // The shape may be computed of the input's between the two: then it comes later in the file.
    const OnnxNode* made = back->inputs.size() < 2 ? nullptr : producer(back->input(1));
    if (made == nullptr || made->op_type != "Shape" || made->inputs != Names{node.input(0)}) {
      return std::nullopt;
    }
  } else {
    for (size_t k = 0; k < x.dims.size(); ++k) {
      const int64_t size = shape->ints()[k + 1];
      if (size != x.dims[k] && size != 0 && size != -1) return std::nullopt;
    }
  }
  const auto weights = [&](const OnnxNode* of, const char* op) -> const OnnxTensor* {
    if (of == nullptr || of->op_type != op || of->inputs.size() != 2) return nullptr;
    for (size_t k = 0; k < 2; ++k) {
      const OnnxTensor* c = constant(*of, k);
      if (c == nullptr || c->is_whole() || c->size() != static_cast<size_t>(x.dims[0])) continue;
      Ints dims = c->dims;
      while (!dims.empty() && dims.front() == 1) dims.erase(dims.begin());
      const Ints ones(x.dims.size() - 1, 1);
      if (dims.size() == x.dims.size() && Ints(dims.begin() + 1, dims.end()) == ones) return c;
    }
    return nullptr;
  };
  const std::string name = layer_name(*norm);
  const OnnxNode* last = back;
  absorb(*norm);
  absorb(*back);
  const OnnxTensor* gamma = weights(only_reader(*last), "Mul");
  if (gamma != nullptr) {
    last = only_reader(*last);
    absorb(*last);
    set_weight(name + "/gamma", gamma->floats());
  }
  const OnnxTensor* beta = weights(only_reader(*last), "Add");
  if (beta != nullptr) {
    last = only_reader(*last);
    absorb(*last);
    set_weight(name + "/beta", beta->floats());
  }
  const Value channels = with_last(x, 0, node);
  const double epsilon = norm->number("epsilon", 1e-5f);
  Value y = after(channels, GroupNormalization({.groups = rows[1],
                                                .epsilon = epsilon,
                                                .center = beta != nullptr,
                                                .scale = gamma != nullptr,
                                                .name = name})(*channels.tensor));
  values_[last->outputs[0]] = y;
  return y;
}

OnnxImporter::Value OnnxImporter::layer_normalization(const OnnxNode& node) {
  Value x = operand(node, 0);
  const auto rank = static_cast<int64_t>(x.dims.size());
  int64_t axis = node.integer("axis", -1);
  if (axis < 0) axis += rank + 1;
  if (axis < 1 || axis > rank) fail(node, "the axis is the batch, or not there");
  x.tensor = arranged(x, natural(x.dims.size()), node);
  x.order = natural(x.dims.size());
  std::vector<int64_t> axes;
  size_t size = 1;
  for (int64_t k = axis; k <= rank; ++k) {
    axes.push_back(k);
    size *= static_cast<size_t>(x.dims[static_cast<size_t>(k - 1)]);
  }
  if (axes == std::vector<int64_t>{rank}) axes = {-1};
  const std::string name = layer_name(node);
  const bool has_bias = has_input(node, 2);
  for (size_t k = 1; k <= (has_bias ? 2u : 1u); ++k) {
    std::vector<float> values = floats(node, k, "a weight");
    if (values.size() != size) fail(node, "a weight does not fit what is normalized");
    set_weight(name + (k == 1 ? "/gamma" : "/beta"), std::move(values));
  }
  const double epsilon = node.number("epsilon", 1e-5f);
  return after(
      x, LayerNormalization({.axis = axes, .epsilon = epsilon, .center = has_bias, .name = name})(
             *x.tensor));
}

// By these factors along the file's axes, of which one stays as it is.
OnnxImporter::Value OnnxImporter::enlarged(Value x, const Ints& factors,
                                           const std::string& interpolation, const OnnxNode& node) {
  const size_t rank = factors.size();
  std::optional<size_t> kept;
  for (size_t k = 0; k < rank; ++k) {
    const bool is_last = x.order[k] == static_cast<int>(rank) - 1;
    if (factors[k] == 1 && (!kept || is_last)) kept = k;
  }
  if (!kept || (rank != 2 && rank != 3)) {
    fail(node, "Sluice makes rows and columns of images more, and steps of sequences");
  }
  x = with_last(std::move(x), *kept, node);
  Ints ours(rank, 1);
  for (size_t k = 0; k < rank; ++k) {
    ours[static_cast<size_t>(x.order[k])] = factors[k];
    if (x.dims[k] > int64_t{1} << 40) fail(node, "it is too large");
    x.dims[k] *= factors[k];
  }
  const std::string name = layer_name(node);
  SymbolicTensor y = *x.tensor;
  if (rank == 2) {
    y = UpSampling1D({.size = ours[0], .name = name})(y);
  } else {
    y = UpSampling2D(
        {.size = Size2D(ours[0], ours[1]), .interpolation = interpolation, .name = name})(y);
  }
  Value value = after(x, y);
  value.is_positive = x.is_positive;
  return value;
}

OnnxImporter::Value OnnxImporter::resize(const OnnxNode& node) {
  const Value x = operand(node, 0);
  const size_t rank = x.dims.size();
  if (rank != 2 && rank != 3) fail(node, "Sluice has it of images and sequences");
  const bool is_upsample = node.op_type == "Upsample" || file_.opset < 11;
  const size_t scales_at = is_upsample ? 1 : 2;
  std::vector<double> factors;
  if (has_input(node, 3)) {
    const Ints sizes = whole(node, 3, "the sizes");
    if (sizes.size() != rank + 1) fail(node, "there is not a size for each axis");
    factors.push_back(1);
    for (size_t k = 0; k < rank; ++k) {
      factors.push_back(static_cast<double>(sizes[k + 1]) / static_cast<double>(x.dims[k]));
    }
  } else if (node.has("scales") || has_input(node, scales_at)) {
    if (!has_input(node, scales_at)) fail(node, "Sluice reads it from opset 9 on");
    for (const float scale : floats(node, scales_at, "the scales")) factors.push_back(scale);
  }
  if (factors.size() != rank + 1 || factors[0] != 1) {
    fail(node, "there is not a factor for each axis, 1 for the batch");
  }
  std::vector<int64_t> more;  // along the file's axes
  for (size_t k = 1; k < factors.size(); ++k) {
    constexpr double kMost = 1e6;
    if (!(factors[k] >= 1 && factors[k] < kMost) || factors[k] != std::floor(factors[k])) {
      fail(node, "Sluice makes images larger by whole numbers only");
    }
    more.push_back(static_cast<int64_t>(factors[k]));
  }
  const std::string mode = node.text("mode", "nearest");
  const std::string where =
      node.text("coordinate_transformation_mode", is_upsample ? "asymmetric" : "half_pixel");
  const bool is_centered = where == "half_pixel" || where == "pytorch_half_pixel";
  std::string interpolation;
  if (mode == "nearest") {
    const std::string rounding =
        node.text("nearest_mode", is_upsample ? "floor" : "round_prefer_floor");
    if (is_centered || (where == "asymmetric" && rounding == "floor")) interpolation = "nearest";
  } else if (mode == "linear") {
    if (is_centered) interpolation = "bilinear";
  } else if (mode == "cubic" && is_centered && node.number("cubic_coeff_a", -0.75f) == -0.5f &&
             node.integer("exclude_outside", 0) != 0) {
    interpolation = "bicubic";
  }
  if (interpolation.empty() || (rank == 2 && interpolation != "nearest")) {
    fail(node, fmt::format("Sluice does not interpolate as its mode \"{}\" with \"{}\" does",
                           printable(mode), printable(where)));
  }
  Value y = enlarged(x, more, interpolation, node);
  if (interpolation == "bicubic") y.is_positive = false;
  return y;
}

// Of a table with a row of NaN in front and one behind, as ours are written.
std::optional<OnnxImporter::Value> OnnxImporter::embedding_with_borders(const OnnxNode& node,
                                                                        const OnnxTensor& table) {
  const OnnxNode* at = producer(node.input(1));
  const OnnxNode* floor = nullptr;
  for (const char* op : {"Add", "Cast", "Clip", "Floor"}) {
    if (at == nullptr || at->op_type != op || at->inputs.empty()) return std::nullopt;
    floor = at;
    at = producer(at->input(0));
  }
  const auto columns = static_cast<size_t>(table.dims[1]);
  const auto is_nan = [&](size_t row) {
    return std::all_of(table.floats().begin() + static_cast<int64_t>(row * columns),
                       table.floats().begin() + static_cast<int64_t>((row + 1) * columns),
                       [](float value) { return std::isnan(value); });
  };
  if (table.dims[0] < 3 || !is_nan(0) || !is_nan(static_cast<size_t>(table.dims[0]) - 1)) {
    return std::nullopt;
  }
  const std::string name = layer_name(node);
  set_weight(name + "/embeddings", {table.floats().begin() + static_cast<int64_t>(columns),
                                    table.floats().end() - static_cast<int64_t>(columns)});
  Value x = operand(*floor, 0);
  Value y{.dims = x.dims, .order = natural(x.dims.size() + 1)};
  y.dims.push_back(table.dims[1]);
  y.tensor = Embedding({.input_dim = table.dims[0] - 2, .output_dim = table.dims[1], .name = name})(
      arranged(x, natural(x.dims.size()), node));
  return y;
}

OnnxImporter::Value OnnxImporter::gather(const OnnxNode& node) {
  const OnnxTensor* table = constant(node, 0);
  if (table == nullptr) {
    // One place along an axis, as x[:, 0] writes it.
    Value x = operand(node, 0);
    const OnnxTensor& index = required_constant(node, 1, "the index");
    const auto rank = static_cast<int64_t>(x.dims.size());
    int64_t axis = node.integer("axis", 0);
    if (axis < 0) axis += rank + 1;
    if (!index.is_whole() || index.size() != 1 || index.dims.size() > 1 || axis < 1 ||
        axis > rank) {
      fail(node, "Sluice takes one place of an axis, which is not the batch");
    }
    const auto at = static_cast<size_t>(axis - 1);
    int64_t place = index.ints().front();
    if (place < 0) place += x.dims[at];
    if (place < 0 || place >= x.dims[at]) fail(node, "the index is out of range");
    std::vector<Border1D> borders(x.dims.size(), Border1D(0));
    borders[at] = Border1D(-place, place + 1 - x.dims[at]);
    Value y = bordered(x, borders, node);
    Ints dims = y.dims;
    if (index.dims.empty()) dims.erase(dims.begin() + static_cast<int64_t>(at));
    return reshaped(y, dims, node);
  }
  if (table->is_whole() || table->dims.size() != 2 || node.integer("axis", 0) != 0 ||
      table->size() == 0) {
    fail(node, "Sluice has it of rows of a table [rows, columns]");
  }
  if (auto embedded = embedding_with_borders(node, *table)) return *std::move(embedded);
  const Value x = operand(node, 1);
  const std::string name = layer_name(node);
  set_weight(name + "/embeddings", table->floats());
  Value y{.dims = x.dims, .order = natural(x.dims.size() + 1)};
  y.dims.push_back(table->dims[1]);
  y.tensor = Embedding({.input_dim = table->dims[0], .output_dim = table->dims[1], .name = name})(
      arranged(x, natural(x.dims.size()), node));
  return y;
}

}  // namespace sluice::formats
