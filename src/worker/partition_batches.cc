#include "worker/partition_batches.h"

#include "loss/traits.h"

namespace sluice::worker {
namespace {

// The targets of several outputs lie in a record as the losses take them.
data::TargetForm target_form(const backend::Graph& graph) {
  if (graph.outputs.size() > 1) return data::TargetForm::kVectors;
  const backend::GraphOutput& output = graph.outputs.front();
  switch (loss::traits_of(output.loss).class_target) {
    case loss::ClassTarget::kNumber:
      return data::TargetForm::kClassNumbers;
    case loss::ClassTarget::kNumberOfOne:
      if (graph.shape_of(output).size() == 1) return data::TargetForm::kNumbers;
      break;
    case loss::ClassTarget::kOneHot:
      break;
  }
  return data::TargetForm::kVectors;
}

}  // namespace

backend::Batch make_batch(backend::Replica& replica, data::BatchSource& source, int64_t number) {
  const backend::Graph& graph = replica.graph();
  const auto n = static_cast<size_t>(source.size(number));
  const backend::BatchBuffers buffers = replica.batch_buffers();
  const auto x = buffers.x.first(n * static_cast<size_t>(graph.input_size()));
  const auto y = buffers.y.first(n * static_cast<size_t>(graph.target_size()));
  source.fill(number, target_form(graph), x, y);
  return {static_cast<int64_t>(n), x, y};
}

}  // namespace sluice::worker
