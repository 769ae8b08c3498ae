#include "worker/worker.h"

#include <unistd.h>

#include <exception>
#include <mutex>
#include <thread>

#include "core/log.h"
#include "core/process_info.h"
#include "core/rng.h"
#include "core/version.h"
#include "wire/heartbeat.h"
#include "wire/parameter_client.h"
#include "wire/patience.h"
#include "worker/partition_data.h"
#include "worker/partition_trainer.h"

namespace sluice::worker {
namespace {

// A driver that does not know this member has given it up for dead: ABORTED, and it may join again.
Status as_membership(Status status) {
  if (status.code() != StatusCode::kNotFound) return status;
  return {StatusCode::kAborted, status.message()};
}

// One membership: from a successful join to the leave.
class Session {
 public:
  Session(wire::Transport& transport, std::shared_ptr<wire::ControlChannel> driver,
          const wire::JoinReply& joined, const wire::TrainingSpec& spec,
          std::shared_ptr<backend::Backend> backend, const std::atomic<bool>& stop)
      : transport_(transport),
        driver_(std::move(driver)),
        joined_(joined),
        spec_(spec),
        external_stop_(stop),
        heartbeat_(driver_, joined.member, {spec.heartbeat_interval, spec.driver_timeout},
                   [this](Status why) { end(std::move(why)); }),
        source_(spec),
        trainer_(spec, *backend, joined.index) {}

  Status run() {
    for (;;) {
      if (should_stop()) return why_stopped();
      const auto reply = wire::call_patiently(driver_->address(), patience(),
                                              [this](const wire::CallOptions& options) {
                                                return driver_->acquire(joined_.member, options);
                                              });
      if (!reply.ok()) return should_stop() ? why_stopped() : as_membership(reply.status());
      switch (reply->kind) {
        case wire::AcquireReply::Kind::kDone:
          return ok_status();
        case wire::AcquireReply::Kind::kAbort:
          return cancelled(reply->reason);
        case wire::AcquireReply::Kind::kWait:
          pause(reply->retry_after, reply->reason);
          break;
        case wire::AcquireReply::Kind::kGranted:
          SLUICE_RETURN_IF_ERROR(work(*reply));
          break;
      }
    }
  }

 private:
  // Trains one lease. Losing it is not a failure: somebody else has the partition now.
  Status work(const wire::AcquireReply& granted) {
    const wire::Lease& lease = granted.lease;
    waits_for("");
    SLUICE_RETURN_IF_ERROR(check_grant(granted));
    heartbeat_.hold(lease);
    auto data = source_.open(lease, *driver_, [this] { return should_stop(); });
    if (!data.ok()) return should_stop() ? why_stopped() : data.status();
    SLUICE_LOG(info, "partition {}: {} records {}, from push {}", lease.partition, data->size(),
               source_.origin(), lease.next_sequence);
    connect(granted);
    const TrainerHooks hooks{
        .should_stop = [this] { return should_stop() || heartbeat_.lease_lost(); },
        .on_step = [this](int64_t step) { heartbeat_.set_step(step); }};
    const Status trained = trainer_.train(lease, *data, *client_, hooks);
    if (trained.code() == StatusCode::kAborted || (!trained.ok() && heartbeat_.lease_lost())) {
      SLUICE_LOG(warn, "partition {} was taken away: {}", lease.partition, trained.message());
      heartbeat_.release();
      return ok_status();
    }
    if (!trained.ok()) return should_stop() ? why_stopped() : trained;
    const Status finished =
        wire::call_patiently(driver_->address(), patience(), [&](const wire::CallOptions& options) {
          return driver_->finish(
              {joined_.member, lease.partition, lease.incarnation, trainer_.last_sequence()},
              options);
        });
    heartbeat_.release();
    if (finished.code() == StatusCode::kFailedPrecondition) {
      SLUICE_LOG(warn, "partition {} was taken away at its end", lease.partition);
      return ok_status();
    }
    if (!finished.ok() && should_stop()) return why_stopped();
    return as_membership(finished);
  }

  // Both sides must cut the same parameters in the same way.
  Status check_grant(const wire::AcquireReply& granted) const {
    const wire::ShardMap& map = granted.shard_map;
    const std::string who = "the driver at " + driver_->address();
    if (const Status valid = map.validate(); !valid.ok()) return valid.with_context(who);
    if (map.servers() > static_cast<int>(granted.servers.size())) {
      return invalid_argument(who + " puts shards on " + std::to_string(map.servers()) +
                              " servers, and names " + std::to_string(granted.servers.size()));
    }
    if (map.parameters() != trainer_.parameter_size()) {
      return invalid_argument(who + " has shards of " + std::to_string(map.parameters()) +
                              " parameters, the model has " +
                              std::to_string(trainer_.parameter_size()));
    }
    return ok_status();
  }

  void connect(const wire::AcquireReply& granted) {
    if (client_ && client_->shard_map() == granted.shard_map && servers_ == granted.servers) return;
    servers_ = granted.servers;
    client_.reset();
    wire::ParameterClientOptions options;
    options.give_up_after = spec_.server_timeout;
    client_ = std::make_unique<wire::ParameterClient>(
        transport_, joined_.job, granted.shard_map, servers_, options,
        [this] { return should_stop(); },
        [this](const std::string& whom) {
          if (!whom.empty()) SLUICE_LOG(warn, "waiting for a parameter server: {}", whom);
          heartbeat_.set_waiting_for(whom);
        });
  }

  void pause(core::Duration time, const std::string& reason) {
    waits_for(reason);
    const auto until = std::chrono::steady_clock::now() + time;
    while (!should_stop() && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }

  // The same reason again is not news.
  void waits_for(const std::string& reason) {
    if (reason == waiting_for_) return;
    waiting_for_ = reason;
    if (!reason.empty()) SLUICE_LOG(info, "waiting: {}", reason);
    heartbeat_.set_waiting_for(reason);
  }

  wire::PatienceOptions patience() {
    return {.give_up_after = spec_.driver_timeout, .stop = [this] { return should_stop(); }};
  }

  bool should_stop() const {
    return external_stop_.load(std::memory_order_relaxed) || stop_.load(std::memory_order_relaxed);
  }

  void end(Status why) {
    std::lock_guard lock(mutex_);
    why_ = as_membership(std::move(why));
    stop_.store(true);
  }

  Status why_stopped() {
    std::lock_guard lock(mutex_);
    return why_.ok() ? cancelled("stopped by a signal") : why_;
  }

  wire::Transport& transport_;
  const std::shared_ptr<wire::ControlChannel> driver_;
  const wire::JoinReply joined_;
  const wire::TrainingSpec spec_;
  const std::atomic<bool>& external_stop_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  Status why_;  // guarded by mutex_
  // Early: the driver must hear of this member while its model is being compiled. And it outlives
  // the client, which tells it of waits.
  wire::Heartbeat heartbeat_;

  PartitionSource source_;
  PartitionTrainer trainer_;
  std::vector<std::string> servers_;
  std::string waiting_for_;  // of pause()
  std::unique_ptr<wire::ParameterClient> client_;
};

// Every failure of a session, also what the job's own description throws, becomes a status.
Status run_session(wire::Transport& transport, const std::shared_ptr<wire::ControlChannel>& driver,
                   const wire::JoinReply& joined, const std::string& device,
                   const std::atomic<bool>& stop) {
  try {
    SLUICE_ASSIGN_OR_RETURN(wire::TrainingSpec spec, wire::parse_training_spec(joined.job_spec));
    if (spec.threads <= 0) spec.threads = core::available_cores();
    SLUICE_ASSIGN_OR_RETURN(const auto backend,
                            backend::open_backend({.name = device.empty() ? spec.device : device,
                                                   .slot = joined.slot,
                                                   .gpu_memory_bytes = spec.gpu_memory_mib << 20}));
    SLUICE_LOG(info, "joined the driver at {}; trains on {}, {} thread(s)", driver->address(),
               backend->name(), spec.threads);
    Session session(transport, driver, joined, spec, backend, stop);
    return session.run();
  } catch (const std::invalid_argument& error) {
    return invalid_argument(error.what());
  } catch (const std::exception& error) {
    return internal_error(error.what());
  }
}

Result<wire::JoinReply> join(wire::ControlChannel& driver, const WorkerOptions& options,
                             const std::atomic<bool>& stop) {
  wire::JoinRequest request;
  request.role = wire::Role::kWorker;
  request.version = core::version();
  request.host = core::host_name();
  request.pid = getpid();
  request.preferred_index = options.preferred_index;
  request.attempt = core::unique_number();
  SLUICE_LOG(info, "joining the driver at {}", options.driver);
  return wire::call_patiently(
      options.driver, wire::joining(options.join_timeout, stop),
      [&](const wire::CallOptions& call) { return driver.join(request, call); });
}

}  // namespace

Status run_worker(wire::Transport& transport, const WorkerOptions& options,
                  const std::atomic<bool>& stop) {
  const auto driver = transport.connect_control(options.driver);
  for (;;) {
    const auto joined = join(*driver, options, stop);
    if (!joined.ok()) return joined.status();
    log::set_role("worker " + std::to_string(joined->index));
    const Status status = run_session(transport, driver, *joined, options.device, stop);
    if (status.code() == StatusCode::kAborted) {
      SLUICE_LOG(warn, "joining again: {}", status.message());
      continue;
    }
    const Status left =
        driver->leave({joined->member, status}, {.timeout = std::chrono::seconds(1)});
    if (!left.ok()) SLUICE_LOG(debug, "leaving: {}", left.message());
    return status;
  }
}

}  // namespace sluice::worker
