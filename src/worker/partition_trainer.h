// Trains the pushes of one lease, from its first to its last: window, exchange, window, ...
//
// Every step is a task of the training strand that posts the next one, so that answers, signals and
// lost leases are heard between two steps. Exchanges are issued from the strand itself.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "backend/replica.h"
#include "client/parameter_client.h"
#include "core/aligned_buffer.h"
#include "core/unique_function.h"
#include "core/world.h"
#include "data/partition.h"
#include "sluice/algorithm/worker_rule.h"
#include "wire/control.h"
#include "wire/training_spec.h"
#include "wire/transport.h"
#include "worker/partition_batches.h"
#include "worker/partition_data.h"
#include "worker/update_buffers.h"

namespace sluice::worker {

// Keeps its replica, and with it the optimizer's state, from one partition to the next. Used, and
// destroyed, on its strand; a training that it destroys gets no answer.
class PartitionTrainer {
 public:
  // Compiles the model. Throws ShapeError or std::invalid_argument for a job that makes no sense.
  // `member`: as which the worker pushes. `buffers`: for updates.
  PartitionTrainer(const wire::TrainingSpec& spec, backend::Backend& backend, int worker,
                   std::shared_ptr<core::Strand> strand, int64_t member = 0,
                   wire::BufferSource buffers = {});
  ~PartitionTrainer();

  size_t parameter_size() const { return replica_->graph().parameter_size; }

  // One partition at a time. `client` outlives the training; `on_step` is told how many steps of
  // the partition are trained. `done`, once, on the strand: OK, every push of the lease is
  // acknowledged by every shard; ABORTED, the lease is lost; CANCELLED, drain() or cancel();
  // INVALID_ARGUMENT or INTERNAL, what a step threw; others, as the client's.
  void train(const wire::Lease& lease, PartitionData data, client::ParameterClient& client,
             std::function<void(int64_t step)> on_step, core::UniqueFunction<void(Status)> done);
  // The window that is being trained is finished, pushed and acknowledged; then the training ends.
  void drain();
  // The lease ends with push `last`: the training ends behind it, with OK, and what has been done
  // of later windows is dropped.
  void cut(int64_t last);
  // The training ends as soon as the client has let go of the buffers.
  void cancel();
  // In force from the next step on. While they say that the job is paused, the window that is being
  // trained is finished and pushed, and no other begins.
  void set_knobs(const wire::Knobs& knobs);
  // Told, on the strand, when no window begins because the job is paused, and when one does again.
  void on_pause(std::function<void(bool paused)> told) { on_pause_ = std::move(told); }

 private:
  // A push whose update the replica has been asked for.
  struct Push {
    wire::PushHeader header;
    int last_epoch = 0;  // of the steps whose metrics come with the update
    std::shared_ptr<core::AlignedBuffer> update;
    client::Versions base_versions;  // of the centre that its window began from
  };
  struct Run;

  void begin(const wire::Lease& lease, PartitionData data);
  void pulled();
  wire::ShardMap::Part part_of(int64_t partition) const;
  int64_t epoch_steps() const;
  void next_window();
  void set_rate_of_window();
  bool stays_paused();
  void resume();
  void post_step();
  void step();
  void train_batch();
  void window_trained();
  void send_unsent();
  void send_when_ready();
  void answered();
  void overlap_next_window();
  void wind_up();
  bool is_beyond(int64_t sequence) const;
  void end(Status status);

  void send(Push& push);
  bool leaves_nothing(const Push& push) const;
  void adopt(backend::OwnUpdate own);
  backend::OwnUpdate own_update() const;
  void catch_up();
  core::Reply<Status> answer_to(void (PartitionTrainer::*method)());
  template <typename F>
  void guarded(F f);

  const wire::TrainingSpec spec_;
  const int worker_;
  const int64_t member_;
  wire::Knobs knobs_;
  std::function<void(bool)> on_pause_;
  const std::shared_ptr<core::Strand> strand_;
  std::unique_ptr<algorithm::WorkerRule> rule_;
  std::shared_ptr<core::AlignedBuffer> pulled_;  // the centre, as of the last exchange
  client::Versions base_versions_;               // of the centre in the replica
  std::optional<UpdateBuffers> updates_;
  // Destroyed before the buffers: its destructor waits until the device uses none of them.
  std::unique_ptr<backend::Replica> replica_;
  bool has_adopted_ = false;     // the replica's parameters come from the servers
  int64_t steps_ = 0;            // of the replica
  const double rate_scale_;      // for so many workers, at first (sluice/algorithm/gain.h)
  std::optional<float> rate_{};  // of the window, where it is not the replica's own
  int64_t clock_ = 0;            // windows that it has pushed, or that others had when it came
  std::unique_ptr<Run> run_;     // the training that is under way
};

}  // namespace sluice::worker
