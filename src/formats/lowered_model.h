// A model as what writers of graphs take: its operations in inference mode, and its weights.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "backend/graph.h"
#include "sluice/model.h"

namespace sluice::formats {

struct LoweredModel {
  // Throws std::invalid_argument, naming the layer and `format`, for a layer that the program
  // computes itself; otherwise as nn::lower(). The model must outlive this.
  LoweredModel(const Model& model, const std::string& format);

  std::span<const float> values_of(const backend::ParameterSlice& slice) const {
    return weights.subspan(slice.offset, slice.size);
  }
  const Shape& shape_of(backend::ValueId value) const { return graph.values[value]; }

  backend::Graph graph;
  std::span<const float> weights;
  std::vector<std::string> inputs, outputs;  // names, as the graph's
};

// A constant whose axes are taken in another order: y's axis k is x's axis order[k].
std::vector<float> transposed(std::span<const float> x, const std::vector<int64_t>& dims,
                              const std::vector<int>& order);
std::vector<int64_t> permuted(const std::vector<int64_t>& dims, const std::vector<int>& order);

// What moves of a RearrangeOp's axis, in this order.
struct AxisMove {
  int64_t crop_before = 0, crop_after = 0;  // elements of the input
  int64_t pad_before = 0, pad_after = 0;    // zeros, likewise
  int64_t repeat = 1;                       // of each element
  int64_t surplus = 0;                      // elements at the end, behind the repetition

  bool is_crop() const { return crop_before != 0 || crop_after != 0; }
  bool is_pad() const { return pad_before != 0 || pad_after != 0; }
};
AxisMove move_of(const backend::RearrangeOp::Axis& axis, int64_t input, int64_t output);

// y = x factor + term, which is what batch normalization with moving statistics comes to.
struct ChannelAffine {
  std::vector<float> factor, term;
};
ChannelAffine affine_of(const LoweredModel& model, const backend::BatchNormOp& op);

// The weights of such a view with an axis for each of its own, 1 where they do not differ.
std::vector<int64_t> weight_dims(const backend::NormalizeOp& op);

// max(sqrt(variance), 1e-7)
std::vector<float> deviations_of(const LoweredModel& model, const backend::StandardizeOp& op);

// A table with a row of NaN in front and one behind: what EmbeddingOp gives for other numbers.
std::vector<float> table_with_borders(const LoweredModel& model, const backend::EmbeddingOp& op);

}  // namespace sluice::formats
