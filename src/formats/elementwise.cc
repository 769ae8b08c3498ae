#include "formats/elementwise.h"

#include <cmath>
#include <numbers>

#include "core/check.h"

namespace sluice::formats {
namespace {

using backend::Activation;
using Function = ElementwiseNodes::Function;

std::string rectifier(ElementwiseNodes& nodes, const Activation& f, const std::string& x) {
  const bool has_maximum = f.maximum < Activation::kNoMaximum;
  std::string above = x;
  if (has_maximum) above = nodes.at_most(nodes.function(Function::kRelu, x), f.maximum);
  if (f.alpha == 0 && f.threshold == 0 && has_maximum) return above;
  const std::string below =
      f.alpha == 0 ? nodes.number(0)
                   : nodes.multiply(f.threshold == 0 ? x : nodes.add(x, -f.threshold), f.alpha);
  return nodes.where_greater(x, f.threshold, above, below);
}

// relu(x) + a elu(min(x, 0) / scale)
std::string scaled_elu(ElementwiseNodes& nodes, float a, float scale, const std::string& x) {
  if (a == 1 && scale == 1) return nodes.function(Function::kElu, x);
  const std::string negative = nodes.at_most(x, 0);
  const std::string below =
      nodes.function(Function::kElu, scale == 1 ? negative : nodes.multiply(negative, 1 / scale));
  return nodes.add(nodes.function(Function::kRelu, x), nodes.multiply(below, a));
}

std::string cut(ElementwiseNodes& nodes, const std::string& x, float least, float most) {
  return nodes.at_most(nodes.at_least(x, least), most);
}

std::string gelu(ElementwiseNodes& nodes, const std::string& x) {
  const std::string erf =
      nodes.function(Function::kErf, nodes.multiply(x, 1 / std::numbers::sqrt2_v<float>));
  return nodes.multiply(nodes.multiply(x, nodes.add(erf, 1)), 0.5f);
}

std::string gelu_tanh(ElementwiseNodes& nodes, const std::string& x) {
  const float slope = 2 * std::sqrt(2 / std::numbers::pi_v<float>);  // (1 + tanh(u)) / 2 is
  const std::string cube = nodes.multiply(nodes.multiply(x, x), x);  // sigmoid(2 u)
  const std::string inner = nodes.multiply(nodes.add(x, nodes.multiply(cube, 0.044715f)), slope);
  return nodes.multiply(x, nodes.function(Function::kSigmoid, inner));
}

std::string sparse_plus(ElementwiseNodes& nodes, const std::string& x) {
  const std::string half = nodes.multiply(nodes.add(cut(nodes, x, -1, 1), 1), 0.5f);
  const std::string rest = nodes.function(Function::kRelu, nodes.add(x, -1));
  return nodes.add(nodes.multiply(half, half), rest);
}

std::string squareplus(ElementwiseNodes& nodes, float a, const std::string& x) {
  const std::string root = nodes.function(Function::kSqrt, nodes.add(nodes.multiply(x, x), a));
  return nodes.multiply(nodes.add(x, root), 0.5f);
}

std::string hard_sigmoid(ElementwiseNodes& nodes, float a, const std::string& x) {
  return cut(nodes, nodes.add(nodes.multiply(x, a), 0.5f), 0, 1);
}

std::string mish(ElementwiseNodes& nodes, const std::string& x) {
  return nodes.multiply(x, nodes.function(Function::kTanh, nodes.function(Function::kSoftplus, x)));
}

}  // namespace

const char* name_of(ElementwiseNodes::Function function) {
  switch (function) {
    case Function::kRelu:
      return "Relu";
    case Function::kElu:
      return "Elu";
    case Function::kSelu:
      return "Selu";
    case Function::kSigmoid:
      return "Sigmoid";
    case Function::kTanh:
      return "Tanh";
    case Function::kSoftplus:
      return "Softplus";
    case Function::kSoftsign:
      return "Softsign";
    case Function::kExp:
      return "Exp";
    case Function::kErf:
      return "Erf";
    case Function::kSqrt:
      return "Sqrt";
    default:
      return "Abs";
  }
}

std::string append_activation(ElementwiseNodes& nodes, const Activation& f, const std::string& x) {
  switch (f.kind) {
    case Activation::kRelu:
      return nodes.function(Function::kRelu, x);
    case Activation::kRectifier:
      return rectifier(nodes, f, x);
    case Activation::kElu:
      return scaled_elu(nodes, f.alpha, 1, x);
    case Activation::kSelu:
      return nodes.function(Function::kSelu, x);
    case Activation::kCelu:
      return scaled_elu(nodes, f.alpha, f.alpha, x);
    case Activation::kGelu:
      return gelu(nodes, x);
    case Activation::kGeluTanh:
      return gelu_tanh(nodes, x);
    case Activation::kSilu:
      return nodes.multiply(x, nodes.function(Function::kSigmoid, x));
    case Activation::kMish:
      return mish(nodes, x);
    case Activation::kSigmoid:
      return nodes.function(Function::kSigmoid, x);
    case Activation::kHardSigmoid:
      return hard_sigmoid(nodes, f.alpha, x);
    case Activation::kHardSilu:
      return nodes.multiply(x, hard_sigmoid(nodes, 1.0f / 6, x));
    case Activation::kLogSigmoid:
      return nodes.multiply(nodes.function(Function::kSoftplus, nodes.multiply(x, -1)), -1);
    case Activation::kSparseSigmoid:
      return hard_sigmoid(nodes, 0.5f, x);
    case Activation::kTanh:
      return nodes.function(Function::kTanh, x);
    case Activation::kHardTanh:
      return cut(nodes, x, -1, 1);
    case Activation::kTanhShrink:
      return nodes.subtract(x, nodes.function(Function::kTanh, x));
    case Activation::kHardShrink:
      return nodes.where_greater(nodes.function(Function::kAbs, x), f.alpha, x, nodes.number(0));
    case Activation::kSoftShrink:
      return nodes.subtract(x, cut(nodes, x, -f.alpha, f.alpha));
    case Activation::kSoftplus:
      return nodes.function(Function::kSoftplus, x);
    case Activation::kSparsePlus:
      return sparse_plus(nodes, x);
    case Activation::kSquareplus:
      return squareplus(nodes, f.alpha, x);
    case Activation::kSoftsign:
      return nodes.function(Function::kSoftsign, x);
    case Activation::kExponential:
      return nodes.function(Function::kExp, x);
    default:
      SLUICE_CHECK(f.kind == Activation::kLinear) << "softmax is over an axis";
      return x;
  }
}

}  // namespace sluice::formats
