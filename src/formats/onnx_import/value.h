// A value of an ONNX file as a value of the model that is made of it.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "sluice/model.h"

namespace sluice::formats::onnx {

using Ints = std::vector<int64_t>;
using Order = std::vector<int>;

// Its axes may come in another order than the file's: transpositions only change that order, and
// where a layer needs another one than there is, a Permute is put in front of it.
struct Value {
  std::optional<SymbolicTensor> tensor{};
  Ints dims{};    // as the file has them, without the batch
  Order order{};  // axis k of the file is axis order[k] of the tensor, without the batch

  // A row that was an image: the tensor has the image's elements in its own order, whose axes
  // were these. Rows of a kernel can be taken in that order as well.
  std::optional<std::pair<Ints, Order>> image{};
  std::optional<SymbolicTensor> pooled{};  // of a global pooling: the same without axes of size 1
  bool is_positive = false;                // no element is below 0
  bool is_index = false;  // cut to whole numbers, which no layer but Embedding does
};

// The same with another tensor, of which nothing else is known.
Value after(const Value& value, SymbolicTensor tensor);

Order natural(size_t rank);
// Of an image whose channels come first in the file.
Order channels_last(size_t rank);

}  // namespace sluice::formats::onnx
