// What a worker has on its training strand during one membership: the device, the compiled model,
// the source of its data and the connections to the servers.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/replica.h"
#include "client/parameter_client.h"
#include "core/cores.h"
#include "core/world.h"
#include "wire/training_spec.h"
#include "wire/transport.h"
#include "worker/partition_source.h"
#include "worker/partition_trainer.h"

namespace sluice::worker {

using OpenBackend =
    std::function<Result<std::shared_ptr<backend::Backend>>(const backend::DeviceOptions&)>;

// What a session works with.
struct SessionParts {
  core::World& world;
  wire::Transport& transport;
  std::shared_ptr<core::Strand> strand;  // its own: busy for as long as a step takes
  std::shared_ptr<core::Strand> timers;  // never busy for long
  std::shared_ptr<wire::ControlChannel> driver;
  OpenBackend open_backend;
  core::UsableCores cores;
  // What it tells; called on any thread.
  std::function<void()> got_on;                              // something other than a step is done
  std::function<void(int64_t step)> on_step;                 // of the lease
  std::function<void(const std::string& whom)> waiting_for;  // empty: nobody
  std::shared_ptr<client::TrafficMeter> traffic;             // counts what is exchanged
};

// Used, and destroyed, on its strand. Each `done` is called once, perhaps at once.
class Session {
 public:
  using Done = core::UniqueFunction<void(Status)>;

  // `device`: instead of the job's, unless empty.
  Session(SessionParts parts, const wire::JoinReply& joined, const wire::TrainingSpec& spec,
          const std::string& device);

  // Opens the device, compiles the model and looks for the dataset. As backend::open_backend();
  // INVALID_ARGUMENT for a job that makes no sense.
  Status prepare();
  // The data of a lease that was granted. INVALID_ARGUMENT for one that does not fit the model.
  void open(const wire::AcquireReply& granted, Done done);
  // Trains what was opened.
  void train(Done done);
  // Of the training.
  void drain() { trainer_->drain(); }
  // The lease that is opened or trained ends with push `last`.
  void cut(int64_t last);
  // In force from now on, whatever is trained.
  void set_knobs(const wire::Knobs& knobs);
  // The parameters are there now.
  void follow(const wire::Placement& placement);
  // Ends what is under way.
  void cancel();

 private:
  Status open_and_compile();
  void make_trainer();
  Status share_cores(int share);
  Status check(const wire::Placement& placement) const;
  Status forget_other_models(int64_t partition);
  void connect(const wire::AcquireReply& granted);

  const SessionParts parts_;
  const wire::JoinReply joined_;
  wire::TrainingSpec spec_;
  const std::string device_;
  const bool shares_cores_;  // neither job nor environment states a number of threads
  bool trained_ = false;
  int64_t trained_for_ = -1;  // the partition of the last lease
  wire::Knobs knobs_;

  std::shared_ptr<backend::Backend> backend_;
  PartitionSource source_;
  std::optional<PartitionTrainer> trainer_;
  std::optional<wire::Placement> moved_;             // where they are, as was told last
  std::unique_ptr<client::ParameterClient> client_;  // destroyed before the trainer's buffers
  wire::Lease lease_;
  // Of the partition that was trained last: its next lease needs not read it again.
  std::optional<PartitionData> data_;
  int64_t data_of_ = -1;
};

}  // namespace sluice::worker
