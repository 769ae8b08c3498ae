// What a model comes to that guesses: that gives the same outputs for every record.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "data/records.h"
#include "nn/lowering.h"
#include "show/divergence.h"

namespace sluice::train {

// The smallest loss that such outputs can have, and the accuracy of the most frequent class. With
// a_i the weight of record i, its class' included, N records:
//
//   crossentropies of class numbers, A_k = sum of a_i over class k / N, A = sum_k A_k
//       loss = -sum_k A_k log(A_k / A)
//   mse, of K numbers a record
//       loss = sum_i a_i |y_i - m|^2 / (N K),   m = sum_i a_i y_i / sum_i a_i
//
// Only what is known exactly: none for other losses, for label smoothing, for models with several
// outputs, positions or penalties, and where guessing has no loss.
std::optional<show::ChanceLevel> chance_level(const backend::Graph& graph,
                                              const data::Records& records,
                                              std::span<const float> class_weights = {});

}  // namespace sluice::train
