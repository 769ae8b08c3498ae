// All shards of the servers as one: pushes, pulls and exchanges of the whole parameter vector.
//
// Every shard is its own message; a few at a time are under way to each server, so that a shard's
// deadline does not run while others take the line, however large the model. A call that fails in a
// way that may pass (UNAVAILABLE, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED) is repeated with the same
// bytes after a short, growing pause until the server has been silent for `give_up_after`; nothing
// is applied twice. An exchange that has failed or is stopped cuts off its other calls. Used by one
// thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "core/aligned_buffer.h"
#include "core/clock.h"
#include "core/rng.h"
#include "wire/transport.h"

namespace sluice::wire {

struct ParameterClientOptions {
  core::Duration call_timeout = std::chrono::seconds(10);  // or give_up_after, if that is less
  core::Duration give_up_after = std::chrono::seconds(30);
  core::Duration first_backoff = std::chrono::milliseconds(50);
  core::Duration largest_backoff = std::chrono::seconds(2);
  core::Duration speak_after = std::chrono::seconds(2);  // of waiting for one call's answer
  int calls_per_server = 3;  // in flight at once: one comes, one is applied, one goes
};

class ParameterClient {
 public:
  // `stop`: when true, waits end with CANCELLED. `waiting_for` is told whom a wait is for once an
  // answer is overdue or a call has to be repeated, and the empty string when that wait is over,
  // however it ended. Both are called by the waiting thread. `transport` outlives the client.
  ParameterClient(Transport& transport, uint64_t job, ShardMap shard_map,
                  const std::vector<std::string>& servers, const ParameterClientOptions& options,
                  std::function<bool()> stop, std::function<void(const std::string&)> waiting_for);
  ~ParameterClient();

  const ShardMap& shard_map() const { return shard_map_; }

  // Reads all parameters into `into` and remembers their versions.
  Status pull(std::span<float> into);
  // Those versions, by shard. Not while an exchange is under way.
  const std::vector<int64_t>& versions() const { return versions_; }

  // Starts to push `update` and to pull the result into `into`. `header` needs neither shard nor
  // base version. Both buffers belong to the client until wait() has returned. `base_versions`, by
  // shard: of the parameters that the update was computed from; empty: versions().
  void start_exchange(const PushHeader& header, std::shared_ptr<const core::AlignedBuffer> update,
                      std::span<float> into, std::span<const int64_t> base_versions = {});
  // Ends when every shard has answered. ABORTED: fenced off, the lease is gone.
  Status wait();
  // Ends an exchange that nobody wants any more; waits until no call can touch the buffers.
  void settle() { (void)abandon(ok_status()); }

 private:
  struct Call;
  enum class Kind { kPull, kExchange };

  void start_all(Kind kind, const PushHeader& header,
                 std::shared_ptr<const core::AlignedBuffer> update, std::span<float> into,
                 std::span<const int64_t> base_versions);
  // With the lock on mutex_:
  void start_queued(std::unique_lock<std::mutex>& lock);
  Call* next_queued();
  void issue(std::unique_lock<std::mutex>& lock, Call& call);
  bool idle() const;  // no call is under way or about to be

  void complete(Call& call, Result<ParameterChannel::PulledVersion> result);
  Status wait_for_answers();
  void say_whom(const Call* retry, const Call* oldest);
  core::Duration backoff(int attempt);
  Status abandon(Status status);

  Transport& transport_;
  const uint64_t job_;
  const ShardMap shard_map_;
  const ParameterClientOptions options_;
  const std::vector<std::string> servers_;  // addresses
  const std::function<bool()> stop_;
  const std::function<void(const std::string&)> waiting_for_;
  std::vector<std::shared_ptr<ParameterChannel>> channels_;  // by server
  std::vector<int64_t> versions_;                            // by shard, as last pulled
  core::Rng jitter_;
  enum class Said { kNothing, kOverdue, kFailed } said_ = Said::kNothing;  // of this wait

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Call>> calls_;  // by shard; guarded by mutex_ while in flight
  std::vector<int> in_flight_;                // by server; guarded by mutex_
  bool starting_ = false;                     // a thread is in start_queued(); guarded by mutex_
};

}  // namespace sluice::wire
