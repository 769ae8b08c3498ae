#include "core/parameter_set.h"

#include <atomic>

namespace sluice::core {

size_t ParameterLayout::add(std::string name, Shape shape, bool trainable) {
  Variable variable{std::move(name), std::move(shape), size_, trainable};
  const size_t offset = size_;
  size_ += variable.size();
  variables_.push_back(std::move(variable));
  return offset;
}

uint64_t ParameterSet::next_version() {
  static std::atomic<uint64_t> last = 0;
  return ++last;
}

}  // namespace sluice::core
