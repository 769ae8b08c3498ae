#include "worker/partition_trainer.h"

#include <algorithm>
#include <stdexcept>
#include <variant>

#include "core/rng.h"
#include "nn/lowering.h"
#include "sluice/model.h"

namespace sluice::worker {
namespace {

backend::ReplicaOptions replica_options(const wire::TrainingSpec& spec, const WorkerRule& rule) {
  backend::ReplicaOptions options;
  options.batch_size = spec.batch_size;
  options.threads = spec.threads;
  options.precision = backend::parse_precision(spec.precision);
  if (rule.trains_locally()) options.optimizer = spec.optimizer;
  return options;
}

void add_metrics(std::vector<wire::EpochMetrics>& metrics, int epoch,
                 const backend::StepMetrics& step) {
  if (metrics.empty() || metrics.back().epoch != epoch) metrics.push_back({epoch, 0, 0, 0});
  wire::EpochMetrics& sums = metrics.back();
  sums.samples += step.samples;
  sums.loss_sum += step.loss_sum;
  sums.correct += step.correct;
}

// Workers that dropped the same units at the same step would make dropout weaker than it is.
void give_own_masks(backend::Graph& graph, int worker) {
  for (backend::Op& op : graph.ops) {
    auto* dropout = std::get_if<backend::DropoutOp>(&op.kind);
    if (dropout == nullptr) continue;
    dropout->seed = core::Rng(dropout->seed, {static_cast<uint64_t>(worker)}).next();
  }
}

void copy(std::span<const float> from, std::span<float> to) {
  std::copy(from.begin(), from.end(), to.begin());
}

}  // namespace

PartitionTrainer::PartitionTrainer(const wire::TrainingSpec& spec, backend::Backend& backend,
                                   int worker)
    : spec_(spec), worker_(worker), rule_(make_worker_rule(spec)) {
  const Sequential model = Sequential::from_json(spec.model);
  backend::Graph graph = nn::lower(model, nn::parse_loss(spec.loss));
  give_own_masks(graph, worker);
  replica_ = backend.compile(graph, replica_options(spec, *rule_));
  const size_t parameters = replica_->parameters().size();
  pulled_ = core::AlignedBuffer(parameters);
  if (spec.overlap) anchor_ = core::AlignedBuffer(parameters);
  const auto batch = static_cast<size_t>(spec.batch_size);
  x_ = core::AlignedBuffer(batch * static_cast<size_t>(graph.input.size()));
  y_ = core::AlignedBuffer(batch * static_cast<size_t>(graph.target_size()));
}

// A buffer may still be read by the transport after its exchange has ended (see Payload).
std::shared_ptr<core::AlignedBuffer> PartitionTrainer::free_update_buffer() {
  for (const auto& buffer : update_buffers_) {
    if (buffer.use_count() == 1) return buffer;
  }
  update_buffers_.push_back(std::make_shared<core::AlignedBuffer>(pulled_.size()));
  return update_buffers_.back();
}

Status PartitionTrainer::train_window(data::BatchPlan& plan, const PartitionData& data,
                                      int64_t begin, int64_t end, const TrainerHooks& hooks,
                                      std::vector<wire::EpochMetrics>& metrics) {
  const int64_t target_size = replica_->graph().target_size();
  for (int64_t step = begin; step < end; ++step) {
    if (hooks.should_stop()) return cancelled("stopped");
    const std::span<const uint32_t> indices = plan.batch(step);
    const size_t n = indices.size();
    const auto x = x_.span().first(n * static_cast<size_t>(replica_->graph().input.size()));
    const auto y = y_.span().first(n * static_cast<size_t>(target_size));
    data.gather(indices, x, y, target_size);
    add_metrics(metrics, plan.epoch_of(step),
                replica_->train_step({static_cast<int64_t>(n), x, y}));
    if (!rule_->trains_locally()) rule_->add_gradient(replica_->gradients());
    hooks.on_step(step + 1);
  }
  return ok_status();
}

Status PartitionTrainer::train(const wire::Lease& lease, const PartitionData& data,
                               wire::ParameterClient& client, const TrainerHooks& hooks) {
  Status status = train_from(lease, data, client, hooks);
  if (!status.ok()) client.settle();
  return status;
}

Status PartitionTrainer::adopt_centre(wire::ParameterClient& client) {
  SLUICE_RETURN_IF_ERROR(client.pull(pulled_.span()));
  rule_->adopt(pulled_.span(), {}, replica_->parameters());
  replica_->parameters_changed();
  if (spec_.overlap) copy(pulled_.span(), anchor_.span());
  base_versions_ = client.versions();
  return ok_status();
}

// Where the window began: in lock-step the centre itself, with overlap a copy of the replica.
std::span<const float> PartitionTrainer::anchor() const {
  return spec_.overlap ? anchor_.span() : pulled_.span();
}

// Faithful to the original: train a window, push it, wait for the new centre, go on from there.
// With overlap the answer to a push is waited for only after the next window, which starts from the
// replica as it is; the replica then becomes the centre plus the push that is not in it yet.
Status PartitionTrainer::train_from(const wire::Lease& lease, const PartitionData& data,
                                    wire::ParameterClient& client, const TrainerHooks& hooks) {
  data::BatchPlan plan(lease.partition, data.size(), spec_.batch_size, spec_.epochs, spec_.seed,
                       spec_.shuffle ? data::Shuffle::kEachEpoch : data::Shuffle::kNone);
  rule_ = make_worker_rule(spec_);  // nothing of a window that was cut short goes into the next
  const int64_t pushes = rule_->pushes(plan.steps());
  last_sequence_ = lease.next_sequence - 1;
  SLUICE_RETURN_IF_ERROR(adopt_centre(client));

  bool exchanging = false;
  for (int64_t sequence = lease.next_sequence; sequence <= pushes; ++sequence) {
    const int64_t begin = rule_->push_end(sequence - 1);
    const int64_t end = std::min(rule_->push_end(sequence), plan.steps());
    wire::PushHeader header;
    header.id = {lease.partition, lease.incarnation, sequence};
    header.worker = worker_;
    header.steps = static_cast<int32_t>(end - begin);
    SLUICE_RETURN_IF_ERROR(train_window(plan, data, begin, end, hooks, header.metrics));

    const auto update = free_update_buffer();
    rule_->make_update(replica_->parameters(), anchor(), std::max<int64_t>(end - begin, 1),
                       update->span());
    if (!spec_.overlap) client.start_exchange(header, update, pulled_.span(), base_versions_);
    const std::vector<int64_t> window_began_from = base_versions_;
    if (!spec_.overlap || exchanging) {
      SLUICE_RETURN_IF_ERROR(client.wait());
      last_sequence_ = spec_.overlap ? sequence - 1 : sequence;
      const auto missing =
          spec_.overlap ? std::span<const float>(update->span()) : std::span<const float>();
      rule_->adopt(pulled_.span(), missing, replica_->parameters());
      replica_->parameters_changed();
      base_versions_ = client.versions();
    }
    if (spec_.overlap) {
      copy(replica_->parameters(), anchor_.span());
      client.start_exchange(header, update, pulled_.span(), window_began_from);
      exchanging = true;
    }
  }
  if (exchanging) SLUICE_RETURN_IF_ERROR(client.wait());
  last_sequence_ = pushes;
  return ok_status();
}

}  // namespace sluice::worker
