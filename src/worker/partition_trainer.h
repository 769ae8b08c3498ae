// Trains one partition from the step its lease starts at to its end: window, exchange, window, ...
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "backend/replica.h"
#include "core/aligned_buffer.h"
#include "data/partition.h"
#include "wire/control.h"
#include "wire/parameter_client.h"
#include "wire/training_spec.h"
#include "worker/partition_data.h"
#include "worker/worker_rule.h"

namespace sluice::worker {

// What the trainer asks its surroundings while it works.
struct TrainerHooks {
  std::function<bool()> should_stop;          // asked before every step
  std::function<void(int64_t step)> on_step;  // told after every step
};

// Keeps its replica, and with it the optimizer's state, from one partition to the next.
class PartitionTrainer {
 public:
  // Compiles the model. Throws ShapeError or std::invalid_argument for a job that makes no sense.
  PartitionTrainer(const wire::TrainingSpec& spec, backend::Backend& backend, int worker);

  size_t parameter_size() const { return replica_->graph().parameter_size; }

  // OK: every push of the partition is acknowledged by every shard. ABORTED: the lease is lost.
  // CANCELLED: hooks.should_stop() said so. Others: as the client's.
  Status train(const wire::Lease& lease, const PartitionData& data, wire::ParameterClient& client,
               const TrainerHooks& hooks);

  // The last sequence that train() has seen acknowledged.
  int64_t last_sequence() const { return last_sequence_; }

 private:
  // A push whose update the replica has been asked for.
  struct Push {
    wire::PushHeader header;
    int last_epoch = 0;  // of the steps whose metrics come with the update
    std::shared_ptr<core::AlignedBuffer> update;
    std::vector<int64_t> base_versions;  // of the centre that its window began from, by shard
  };

  Status train_from(const wire::Lease& lease, const PartitionData& data,
                    wire::ParameterClient& client, const TrainerHooks& hooks);
  Status adopt_centre(wire::ParameterClient& client);
  Status train_window(data::BatchPlan& plan, const PartitionData& data, int64_t begin, int64_t end,
                      const TrainerHooks& hooks, Push& push, const std::function<void()>& between);
  void send(Push& push, wire::ParameterClient& client);
  Status await_answer(wire::ParameterClient& client, int64_t sequence, backend::OwnUpdate own);
  std::shared_ptr<core::AlignedBuffer> free_update_buffer();

  const wire::TrainingSpec spec_;
  const int worker_;
  std::unique_ptr<WorkerRule> rule_;
  std::shared_ptr<core::AlignedBuffer> pulled_;  // the centre, as of the last exchange
  std::vector<int64_t> base_versions_;           // of the centre in the replica, by shard
  std::vector<std::shared_ptr<core::AlignedBuffer>> update_buffers_;
  // Behind the buffers: when it goes, it waits until the device reads and writes none of them.
  std::unique_ptr<backend::Replica> replica_;
  int64_t last_sequence_ = 0;
};

}  // namespace sluice::worker
