// The driver role: owns a job from the first member's join to the last value pulled.
//
// The shell around Coordinator: serves the control plane, sends the initial parameters to the
// servers, hands out records, reads the servers' ledgers for progress, and says what came of it
// all.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "core/aligned_buffer.h"
#include "data/partition.h"
#include "data/records.h"
#include "driver/coordinator.h"
#include "driver/job_observer.h"
#include "wire/parameter_client.h"
#include "wire/training_spec.h"
#include "wire/transport.h"

namespace sluice::driver {

struct DriverOptions {
  wire::TrainingSpec training;  // records, partitions and dataset included
  std::string update_rule;      // JSON, for the servers
  int servers = 1;
  int shards = 0;  // 0: by size
  core::Duration lease_timeout = std::chrono::seconds(10);
  core::Duration idle_timeout = std::chrono::seconds(300);
};

class Driver final : public wire::ControlService {
 public:
  // `records`: the training set. `parameters`: the initial values. Throws std::invalid_argument for
  // options that make no sense together.
  Driver(DriverOptions options, std::shared_ptr<const data::Records> records,
         std::span<const float> parameters, wire::Transport& transport, JobObserver& observer);

  // Runs the job, once. The control service must be listening by then and until the driver is
  // destroyed. `stop` ends it with CANCELLED. Servers are told to end in every case.
  Result<JobResult> run(const std::atomic<bool>& stop);

  // A process that the caller had started has ended; see Coordinator. Thread-safe.
  void process_ended(int64_t pid, const std::string& fate);
  void abort(const std::string& reason);  // thread-safe
  bool over() const;  // done or aborted: nobody who ends now needs replacing; thread-safe

  Result<wire::JoinReply> join(const wire::JoinRequest& request) override;
  Result<wire::AcquireReply> acquire(int64_t member) override;
  Result<wire::HeartbeatReply> heartbeat(const wire::HeartbeatRequest& request) override;
  Status finish(const wire::FinishRequest& request) override;
  Status leave(const wire::LeaveRequest& request) override;
  Status fetch_partition(int64_t partition, int64_t first,
                         const std::function<bool(const wire::RecordChunk&)>& sink) override;

 private:
  Status train(const std::atomic<bool>& stop);
  Status wait_for_servers(const std::atomic<bool>& stop);
  Status distribute_parameters(const std::atomic<bool>& stop);
  Result<JobResult> collect(const std::atomic<bool>& stop);
  Status persist(const std::atomic<bool>& stop, const std::function<Status()>& call);
  Status read_ledgers(core::Duration timeout);
  void report_epochs();
  void tick();
  JobProgress progress();
  void wait_for_members_to_leave(core::Duration at_most);
  void shut_down_servers(const std::string& reason);
  void fill_members(JobResult& result);

  const DriverOptions options_;
  const uint64_t job_;
  const std::shared_ptr<const data::Records> records_;
  const data::Partitioning partitioning_;
  core::AlignedBuffer parameters_;  // the initial values, then the final ones
  wire::Transport& transport_;
  JobObserver& observer_;
  const core::TimePoint started_;

  // Of the thread in run(), except that acquire() reads channels_ once training has started.
  std::vector<std::shared_ptr<wire::ParameterChannel>> channels_;
  std::unique_ptr<wire::ParameterClient> client_;
  std::vector<wire::LedgerReply> ledgers_;  // by server, as last read
  int epochs_reported_ = 0;
  core::Duration training_time_{};
  core::TimePoint last_tick_;

  mutable std::mutex mutex_;
  Coordinator coordinator_;  // guarded by mutex_
};

}  // namespace sluice::driver
