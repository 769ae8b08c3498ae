#include <fmt/core.h>

#include <cmath>

#include "formats/onnx_import/layout.h"
#include "formats/onnx_import/operators.h"

namespace sluice::formats::onnx {
namespace {

// Upsample is what Resize was called; until opset 10 it took its samples otherwise.
bool is_upsample(const Importer& in, const OnnxNode& node) {
  return node.op_type == "Upsample" || in.opset() < 11;
}

// How many times as large each axis becomes, without the batch.
std::vector<double> factors_of(const Importer& in, const OnnxNode& node, const Ints& dims) {
  const size_t scales_at = is_upsample(in, node) ? 1 : 2;
  std::vector<double> factors;
  if (has_input(node, 3)) {
    const Ints sizes = in.whole(node, 3, "the sizes");
    if (sizes.size() != dims.size() + 1) fail(node, "there is not a size for each axis");
    factors.push_back(1);
    for (size_t k = 0; k < dims.size(); ++k) {
      factors.push_back(static_cast<double>(sizes[k + 1]) / static_cast<double>(dims[k]));
    }
  } else if (node.has("scales") || has_input(node, scales_at)) {
    if (!has_input(node, scales_at)) fail(node, "Sluice reads it from opset 9 on");
    for (const float scale : in.floats(node, scales_at, "the scales")) factors.push_back(scale);
  }
  if (factors.size() != dims.size() + 1 || factors[0] != 1) {
    fail(node, "there is not a factor for each axis, 1 for the batch");
  }
  factors.erase(factors.begin());
  return factors;
}

// As UpSampling2D names it; "": it interpolates otherwise. Factors are whole numbers.
std::string interpolation_of(const Importer& in, const OnnxNode& node, const std::string& mode,
                             const std::string& where) {
  const bool is_old = is_upsample(in, node);
  const bool is_centered = where == "half_pixel" || where == "pytorch_half_pixel";
  if (mode == "nearest") {
    const std::string rounding = node.text("nearest_mode", is_old ? "floor" : "round_prefer_floor");
    const bool rounds = rounding.starts_with("round_prefer_");
    const bool is_nearest =
        (is_centered && rounds) || (where == "asymmetric" && rounding == "floor");
    return is_nearest ? "nearest" : "";
  }
  if (mode == "linear") return is_centered ? "bilinear" : "";
  const bool is_keras_cubic = mode == "cubic" && is_centered &&
                              node.number("cubic_coeff_a", -0.75f) == -0.5f &&
                              node.integer("exclude_outside", 0) != 0;
  return is_keras_cubic ? "bicubic" : "";
}

}  // namespace

Value resize(Importer& in, const OnnxNode& node) {
  const Value x = in.operand(node, 0);
  const size_t rank = x.dims.size();
  if (rank != 2 && rank != 3) fail(node, "Sluice has it of images and sequences");
  if (node.has("axes") || node.text("keep_aspect_ratio_policy", "stretch") != "stretch") {
    fail(node, "Sluice reads it with a factor or a size for each axis, in their order");
  }
  Ints more;  // along the file's axes
  for (const double factor : factors_of(in, node, x.dims)) {
    constexpr double kMost = 1e6;
    if (!(factor >= 1 && factor < kMost) || factor != std::floor(factor)) {
      fail(node, "Sluice makes images larger by whole numbers only");
    }
    more.push_back(static_cast<int64_t>(factor));
  }
  const std::string mode = node.text("mode", "nearest");
  const std::string where = node.text("coordinate_transformation_mode",
                                      is_upsample(in, node) ? "asymmetric" : "half_pixel");
  const std::string interpolation = interpolation_of(in, node, mode, where);
  if (interpolation.empty() || (rank == 2 && interpolation != "nearest")) {
    fail(node, fmt::format("Sluice does not interpolate as its mode \"{}\" with \"{}\" does",
                           printable(mode), printable(where)));
  }
  Value y = enlarged(in, x, more, interpolation, node);
  if (interpolation == "bicubic") y.is_positive = false;
  return y;
}

}  // namespace sluice::formats::onnx
