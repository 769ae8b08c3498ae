#include "worker/partition_trainer.h"

#include <algorithm>
#include <optional>
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
  options.deterministic = spec.deterministic;
  if (rule.trains_locally()) options.optimizer = spec.optimizer;
  return options;
}

void add_metrics(std::vector<wire::EpochMetrics>& metrics, int epoch,
                 const backend::StepMetrics& step) {
  if (step.samples == 0) return;
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

}  // namespace

PartitionTrainer::PartitionTrainer(const wire::TrainingSpec& spec, backend::Backend& backend,
                                   int worker)
    : spec_(spec), worker_(worker), rule_(make_worker_rule(spec)) {
  const Sequential model = Sequential::from_json(spec.model);
  backend::Graph graph = nn::lower(model, nn::parse_loss(spec.loss));
  give_own_masks(graph, worker);
  replica_ = backend.compile(graph, replica_options(spec, *rule_));
  pulled_ = replica_->make_exchange_buffer();
}

// A buffer may still be read by the transport after its exchange has ended (see Payload).
std::shared_ptr<core::AlignedBuffer> PartitionTrainer::free_update_buffer() {
  for (const auto& buffer : update_buffers_) {
    if (buffer.use_count() == 1) return buffer;
  }
  update_buffers_.push_back(replica_->make_exchange_buffer());
  return update_buffers_.back();
}

// Adds the metrics of all epochs but the last to the push; that one's come with the update.
Status PartitionTrainer::train_window(data::BatchPlan& plan, const PartitionData& data,
                                      int64_t begin, int64_t end, const TrainerHooks& hooks,
                                      Push& push, const std::function<void()>& between) {
  const backend::Graph& graph = replica_->graph();
  const int64_t target_size = graph.target_size();
  for (int64_t step = begin; step < end; ++step) {
    between();
    if (hooks.should_stop()) return cancelled("stopped");
    const int epoch = plan.epoch_of(step);
    if (step == begin) push.last_epoch = epoch;
    if (epoch != push.last_epoch) {
      add_metrics(push.header.metrics, push.last_epoch, replica_->take_metrics());
      push.last_epoch = epoch;
    }
    const std::span<const uint32_t> indices = plan.batch(step);
    const size_t n = indices.size();
    const backend::BatchBuffers buffers = replica_->batch_buffers();
    const auto x = buffers.x.first(n * static_cast<size_t>(graph.input.size()));
    const auto y = buffers.y.first(n * static_cast<size_t>(target_size));
    data.gather(indices, x, y, target_size);
    replica_->start_step({static_cast<int64_t>(n), x, y});
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
  SLUICE_RETURN_IF_ERROR(client.pull(pulled_->span()));
  replica_->adopt(pulled_->span(), backend::OwnUpdate::kIncluded);
  base_versions_ = client.versions();
  return ok_status();
}

void PartitionTrainer::send(Push& push, wire::ParameterClient& client) {
  add_metrics(push.header.metrics, push.last_epoch, replica_->finish_update());
  client.start_exchange(push.header, push.update, pulled_->span(), push.base_versions);
}

Status PartitionTrainer::await_answer(wire::ParameterClient& client, int64_t sequence,
                                      backend::OwnUpdate own) {
  SLUICE_RETURN_IF_ERROR(client.wait());
  last_sequence_ = sequence;
  replica_->adopt(pulled_->span(), own);
  base_versions_ = client.versions();
  return ok_status();
}

// Faithful to the original: train a window, push it, wait for the new centre, go on from there.
// With overlap the answer to a push is waited for only after the next window, which starts from the
// replica as it is; the replica then becomes the centre plus the push that is not in it yet. A push
// leaves as soon as the device has written it, between two steps of the next window.
Status PartitionTrainer::train_from(const wire::Lease& lease, const PartitionData& data,
                                    wire::ParameterClient& client, const TrainerHooks& hooks) {
  data::BatchPlan plan(lease.partition, data.size(), spec_.batch_size, spec_.epochs, spec_.seed,
                       spec_.shuffle ? data::Shuffle::kEachEpoch : data::Shuffle::kNone);
  const int64_t pushes = rule_->pushes(plan.steps());
  last_sequence_ = lease.next_sequence - 1;
  // Nothing of a window that was cut short goes into the next, nor does its centre or update travel
  // any more.
  (void)replica_->finish_update();
  (void)replica_->take_metrics();
  SLUICE_RETURN_IF_ERROR(adopt_centre(client));

  std::optional<Push> unsent;  // with overlap, until the device has written its update
  bool exchanging = false;
  const auto send_unsent = [&] {
    send(*unsent, client);
    unsent.reset();
    exchanging = true;
  };
  const auto send_when_ready = [&] {
    if (unsent && replica_->update_ready()) send_unsent();
  };
  for (int64_t sequence = lease.next_sequence; sequence <= pushes; ++sequence) {
    const int64_t begin = rule_->push_end(sequence - 1);
    const int64_t end = std::min(rule_->push_end(sequence), plan.steps());
    Push push;
    push.header.id = {lease.partition, lease.incarnation, sequence};
    push.header.worker = worker_;
    push.header.steps = static_cast<int32_t>(end - begin);
    SLUICE_RETURN_IF_ERROR(train_window(plan, data, begin, end, hooks, push, send_when_ready));
    if (unsent) send_unsent();

    push.update = free_update_buffer();
    push.base_versions = base_versions_;
    replica_->start_update(rule_->update_scale(end - begin), push.update->span());
    if (!spec_.overlap) {
      send(push, client);
      SLUICE_RETURN_IF_ERROR(await_answer(client, sequence, backend::OwnUpdate::kIncluded));
      continue;
    }
    if (exchanging) {
      SLUICE_RETURN_IF_ERROR(await_answer(client, sequence - 1, backend::OwnUpdate::kMissing));
    } else {
      replica_->begin_window();
    }
    unsent = std::move(push);
    send_when_ready();
  }
  if (unsent) send_unsent();
  if (exchanging) SLUICE_RETURN_IF_ERROR(client.wait());
  last_sequence_ = pushes;
  return ok_status();
}

}  // namespace sluice::worker
