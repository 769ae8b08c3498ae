// Activation functions written in the arithmetic that every format of graphs has: what ONNX or
// TensorFlow has no operation for of its own is made of a few others.
#pragma once

#include <string>

#include "backend/activation.h"

namespace sluice::formats {

// Appends operations to a file's graph. Values are named by texts.
class ElementwiseNodes {
 public:
  enum class Function {
    kRelu,
    kElu,  // with a = 1
    kSelu,
    kSigmoid,
    kTanh,
    kSoftplus,
    kSoftsign,
    kExp,
    kErf,
    kSqrt,
    kAbs
  };
  enum class Arithmetic { kAdd, kSubtract, kMultiply, kDivide, kMaximum, kMinimum };

  virtual ~ElementwiseNodes() = default;
  virtual std::string function(Function function, const std::string& x) = 0;
  // Of one shape, or one of them a number.
  virtual std::string arithmetic(Arithmetic arithmetic, const std::string& a,
                                 const std::string& b) = 0;
  virtual std::string number(float value) = 0;
  // x > limit ? above : below
  virtual std::string where_greater(const std::string& x, float limit, const std::string& above,
                                    const std::string& below) = 0;

  std::string add(const std::string& a, const std::string& b) {
    return arithmetic(Arithmetic::kAdd, a, b);
  }
  std::string subtract(const std::string& a, const std::string& b) {
    return arithmetic(Arithmetic::kSubtract, a, b);
  }
  std::string multiply(const std::string& a, const std::string& b) {
    return arithmetic(Arithmetic::kMultiply, a, b);
  }
  std::string multiply(const std::string& x, float factor) { return multiply(x, number(factor)); }
  std::string add(const std::string& x, float term) { return add(x, number(term)); }
  std::string at_least(const std::string& x, float least) {
    return arithmetic(Arithmetic::kMaximum, x, number(least));
  }
  std::string at_most(const std::string& x, float most) {
    return arithmetic(Arithmetic::kMinimum, x, number(most));
  }
};

// What the function is called, by ONNX and by TensorFlow: "Relu".
const char* name_of(ElementwiseNodes::Function function);

// y = f(x), of the elementwise ones (backend/activation.h). Rounded differently, so that results
// are within a few units of float32's last place; what NaN becomes may differ.
std::string append_activation(ElementwiseNodes& nodes, const backend::Activation& f,
                              const std::string& x);

}  // namespace sluice::formats
