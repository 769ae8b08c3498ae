// A parameter server: the shards it was told to own, behind the interface that a transport calls.
//
// It works for one job, the one that its process has joined, and refuses every other: nothing that
// comes over the network replaces parameters in training. A Create that comes before the server
// knows its job is held until it does, for the driver may be faster than its answer to the join.
//
// What becomes of a call is JobStore's. Exceptions (out of memory, a rule's) are answered as
// RESOURCE_EXHAUSTED or INTERNAL, and then nothing has been applied. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "core/world.h"
#include "wire/parameters.h"
#include "wire/transport.h"

namespace sluice::client {
class ParameterClient;
}

namespace sluice::server {

class Crew;
class JobStore;
class StateTaker;

class ParameterServer final : public wire::ParameterService {
 public:
  // To other servers of the job.
  using Connect = std::function<std::unique_ptr<client::ParameterClient>(
      uint64_t job, const wire::Placement& placement)>;

  // `world` outlives the server. `threads`: that apply a push, at most. `buffers`: for values.
  // Without `connect` it takes no shards from others.
  explicit ParameterServer(core::World& world, int threads = 1, wire::BufferSource buffers = {},
                           Connect connect = {});
  // Answers what is held with CANCELLED. No call may be in progress.
  ~ParameterServer() override;

  // From now on the server works for this job, and for it alone: what is held is answered. The
  // shards of an earlier job are given up.
  void serve_job(uint64_t job);
  // Its process joins a driver again, which may have another job and call before the process knows:
  // until serve_job() that call is held.
  void expect_another_job();

  // INVALID_ARGUMENT: the map, the rule or a number makes no sense. ALREADY_EXISTS: this job has
  // been created in another way. RESOURCE_EXHAUSTED: too many are held.
  void create(const wire::CreateRequest& request, core::Reply<Status> reply) override;
  void assign(const wire::AssignRequest& request, wire::ReceivedPayload values,
              core::Reply<Status> reply) override;
  void exchange(const wire::PushHeader& header, wire::ReceivedPayload update,
                core::Reply<Result<wire::ExchangeReply>> reply) override;
  void pull(const wire::PullRequest& request, core::Reply<Result<wire::PullReply>> reply) override;
  void fence(const wire::FenceRequest& request,
             core::Reply<Result<wire::FenceReply>> reply) override;
  void ledger(const wire::LedgerRequest& request,
              core::Reply<Result<wire::LedgerReply>> reply) override;
  void ping(uint64_t job, core::Reply<Result<wire::PingReply>> reply) override;
  void set_gate(const wire::GateRequest& request, core::Reply<Status> reply) override;
  void move(const wire::MoveRequest& request, core::Reply<Result<wire::MoveReply>> reply) override;

 private:
  struct HeldCreate {
    wire::CreateRequest request;
    core::Reply<Status> reply;
  };

  Result<bool> hold(const wire::CreateRequest& request, core::Reply<Status>& reply);
  Status make(const wire::CreateRequest& request);
  Status works_for(uint64_t job) const;  // with mutex_
  void take(const wire::MoveRequest& request, core::Reply<Result<wire::MoveReply>> reply);
  void let_go(std::shared_ptr<StateTaker> taker);
  Status taken(const wire::MoveRequest& request, const StateTaker& taker);
  Status switch_to(int64_t revision);
  Status thaw(int64_t revision);
  // Whoever has it keeps it alive, also when the server has gone on to another.
  Result<std::shared_ptr<JobStore>> find(uint64_t job) const;

  core::World& world_;
  const std::unique_ptr<Crew> crew_;
  const wire::BufferSource buffers_;
  const Connect connect_;

  mutable std::mutex mutex_;
  // Where takers end, which waits for the answers to what they have asked: on no thread of a
  // call's, which may be the one that brings them. Made with the first.
  std::shared_ptr<core::Strand> takers_end_;
  std::optional<uint64_t> serving_;  // the job that the process has joined
  bool expects_another_ = false;
  std::shared_ptr<JobStore> job_;    // null until it has been created
  // Of the next map: on its way, then here; let_go() of it. Its revision; that of the last switch;
  // that of the last move that was called off.
  std::shared_ptr<StateTaker> taker_;
  std::shared_ptr<JobStore> next_;
  int64_t taking_ = 0, switched_ = 0, called_off_ = 0;
  std::vector<HeldCreate> held_;     // empty from serve_job() on, until another job is expected
};

}  // namespace sluice::server
