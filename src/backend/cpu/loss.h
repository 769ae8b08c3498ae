// Losses, their gradients and the metrics that go with them; formulas in backend/loss_rows.h and
// backend/batch_losses.h.
#pragma once

#include <cstdint>

#include "backend/batch_losses.h"
#include "backend/graph.h"

namespace sluice::backend::cpu {

struct LossOptions {
  LossSpec loss{};
  // Softmax or sigmoid where it comes here: z are its inputs then.
  Activation activation = Activation::kLinear;
  int64_t outputs = 1;    // K
  int64_t positions = 1;  // rows that a sample has
  bool weighted = false;  // the targets of each sample end in its weight
  float weight = 1;  // of the loss in what is trained: the gradient is of weight times the loss
  batch_losses::Kept kept{};  // of a loss over the batch: batch_losses::kept_axes()
};

// Sums over rows.
struct LossSums {
  double loss_sum = 0;
  double correct = 0;  // rows that are right: Counting::Kind::kAccuracy
};

// z [rows, K]: what the last kernel computed, a row for each position of each sample. y: the
// samples' targets. `gradient` [rows, K] of the mean loss, or nullptr for none; it may not overlap
// z. `scratch`: as many floats as there are samples, for Circle. Throws std::invalid_argument for a
// class number outside [0, K), or other than 0 and 1 where K is 1.
LossSums compute_loss(const LossOptions& options, int64_t rows, const float* z, const float* y,
                      float* gradient, float* scratch = nullptr);

}  // namespace sluice::backend::cpu
