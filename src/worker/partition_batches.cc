#include "worker/partition_batches.h"

namespace sluice::worker {

backend::Batch make_batch(backend::Replica& replica, data::BatchSource& source, int64_t number) {
  const backend::Graph& graph = replica.graph();
  const auto n = static_cast<size_t>(source.size(number));
  const backend::BatchBuffers buffers = replica.batch_buffers();
  const auto x = buffers.x.first(n * static_cast<size_t>(graph.input_shape().size()));
  const auto y = buffers.y.first(n * static_cast<size_t>(graph.target_size()));
  const auto form = graph.loss == backend::Loss::kSparseCategoricalCrossentropy
                        ? data::TargetForm::kClassNumbers
                        : data::TargetForm::kVectors;
  source.fill(number, form, x, y);
  return {static_cast<int64_t>(n), x, y};
}

}  // namespace sluice::worker
