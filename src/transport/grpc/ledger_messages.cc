// What a server has done so far, as messages.
#include "transport/grpc/parameter_messages.h"

namespace sluice::transport {
namespace {

void write(const wire::WorkerCount& from, v1::LedgerReply::WorkerCount* to) {
  to->set_worker(from.worker);
  to->set_pushes(from.pushes);
  to->set_samples(from.samples);
}

void write(const wire::LedgerReply::PartitionCount& from, v1::LedgerReply::PartitionCount* to) {
  to->set_partition(from.partition);
  to->set_pushes(from.pushes);
}

void write(const wire::LedgerReply::Trainee& from, v1::LedgerReply::Trainee* to) {
  to->set_worker(from.worker);
  to->set_clock(from.clock);
  if (from.held_s >= 0) to->set_held(from.held_s);
}

}  // namespace

v1::EpochMetrics to_proto(const wire::EpochMetrics& metrics) {
  v1::EpochMetrics message;
  message.set_epoch(metrics.epoch);
  message.set_samples(metrics.samples);
  message.set_loss_sum(metrics.loss_sum);
  message.mutable_counters()->Assign(metrics.counters.begin(), metrics.counters.end());
  message.set_superseded(metrics.superseded);
  return message;
}

wire::EpochMetrics from_proto(const v1::EpochMetrics& metrics) {
  return {metrics.epoch(),
          metrics.samples(),
          metrics.loss_sum(),
          {metrics.counters().begin(), metrics.counters().end()},
          metrics.superseded()};
}

v1::LedgerRequest to_proto(const wire::LedgerRequest& request) {
  v1::LedgerRequest message;
  message.set_job(request.job);
  message.set_partitions(request.partitions);
  return message;
}

wire::LedgerRequest from_proto(const v1::LedgerRequest& request) {
  return {request.job(), request.partitions()};
}

v1::LedgerReply to_proto(const wire::LedgerReply& reply) {
  v1::LedgerReply message;
  message.set_shards(reply.shards);
  message.set_version(reply.version);
  message.set_duplicates(reply.duplicates);
  message.set_fenced(reply.fenced);
  message.set_staleness_sum(reply.staleness_sum);
  message.set_staleness_max(reply.staleness_max);
  message.set_superseded(reply.superseded);
  for (const auto& epoch : reply.epochs) *message.add_epochs() = to_proto(epoch);
  for (const auto& worker : reply.workers) write(worker, message.add_workers());
  for (const auto& partition : reply.partitions) write(partition, message.add_partitions());
  for (const auto& trainee : reply.trainees) write(trainee, message.add_trainees());
  message.set_floor(reply.floor);
  message.set_peak_memory_bytes(reply.peak_memory_bytes);
  message.set_update_seconds(reply.update_seconds);
  message.mutable_epoch_ages()->Assign(reply.epoch_ages_s.begin(), reply.epoch_ages_s.end());
  return message;
}

wire::LedgerReply from_proto(const v1::LedgerReply& reply) {
  wire::LedgerReply result;
  result.shards = reply.shards();
  result.version = reply.version();
  result.duplicates = reply.duplicates();
  result.fenced = reply.fenced();
  result.staleness_sum = reply.staleness_sum();
  result.staleness_max = reply.staleness_max();
  result.superseded = reply.superseded();
  for (const auto& epoch : reply.epochs()) result.epochs.push_back(from_proto(epoch));
  for (const auto& worker : reply.workers()) {
    result.workers.push_back({worker.worker(), worker.pushes(), worker.samples()});
  }
  for (const auto& partition : reply.partitions()) {
    result.partitions.push_back({partition.partition(), partition.pushes()});
  }
  for (const auto& trainee : reply.trainees()) {
    result.trainees.push_back(
        {trainee.worker(), trainee.clock(), trainee.has_held() ? trainee.held() : -1});
  }
  result.floor = reply.floor();
  result.peak_memory_bytes = reply.peak_memory_bytes();
  result.update_seconds = reply.update_seconds();
  result.epoch_ages_s.assign(reply.epoch_ages().begin(), reply.epoch_ages().end());
  return result;
}

}  // namespace sluice::transport
