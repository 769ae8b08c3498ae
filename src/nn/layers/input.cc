#include "sluice/layers/input.h"

#include <fmt/core.h>

#include <stdexcept>

#include "nn/arguments.h"

namespace sluice {

Input::Input(Shape shape, const InputOptions& options)
    : Layer(options.name), shape_(std::move(shape)) {
  for (int64_t size : shape_.dims()) {
    if (size < 1) {
      throw std::invalid_argument(
          fmt::format("Input: shape = {}: every size must be at least 1 (leave the batch out)",
                      shape_.to_string()));
    }
  }
  nn::require_countable(*this, "shape", shape_);
}

Input::operator SymbolicTensor() const {
  return SymbolicTensor(
      std::make_shared<SymbolicTensor::Node>(SymbolicTensor::Node{called(), {}, shape_}));
}

Shape Input::output_shape(const Shape& input) const {
  if (input != shape_) nn::throw_shape_error(*this, "an input " + shape_.to_string(), input);
  return shape_;
}

}  // namespace sluice
