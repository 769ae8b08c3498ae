#include "formats/onnx_import/value.h"

#include <algorithm>
#include <numeric>

namespace sluice::formats::onnx {

Value after(const Value& value, SymbolicTensor tensor) {
  return {
      .tensor = std::move(tensor), .dims = value.dims, .order = value.order, .image = value.image};
}

Order natural(size_t rank) {
  Order order(rank);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

Order channels_last(size_t rank) {
  Order order = natural(rank);
  if (rank > 0) std::rotate(order.begin(), order.end() - 1, order.end());
  return order;
}

}  // namespace sluice::formats::onnx
