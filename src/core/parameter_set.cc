#include "core/parameter_set.h"

namespace sluice::core {

size_t ParameterLayout::add(std::string name, Shape shape, bool trainable) {
  Variable variable{std::move(name), std::move(shape), size_, trainable};
  const size_t offset = size_;
  size_ += variable.size();
  variables_.push_back(std::move(variable));
  return offset;
}

}  // namespace sluice::core
