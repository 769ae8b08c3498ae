// Shards go to other servers while the job trains: the steps of wire/move.h, from the driver's
// side.
//
//   frozen --> what some servers have applied and others have only staged is applied by all -->
//   taken --> switched
//
// Until all have taken what will be theirs, the move is called off when anything fails, or somebody
// says so: the servers thaw, and nothing has happened. From then on it is carried through.
//
// Used on one strand.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/persistent_call.h"
#include "core/world.h"
#include "wire/move.h"
#include "wire/shard_map.h"

namespace sluice::driver {

// By server, what each has staged and another has applied. All are of one job, and stand still.
std::vector<std::vector<wire::Settled>> half_applied(const std::vector<wire::MoveReply>& servers);

class ShardMove {
 public:
  using Channels = std::vector<std::shared_ptr<wire::ParameterChannel>>;
  struct Plan {
    uint64_t job = 0;
    int64_t revision = 0, next_revision = 0;
    wire::ShardMap from, to;
    Channels servers;             // of both maps, by index
    std::string update_rule;      // as wire::CreateRequest's
    std::vector<int64_t> pushes;  // likewise
    // Where servers of `from` are reached by this server.
    std::function<std::vector<std::string>(int server)> addresses_for;
    core::Duration give_up_after{};  // of a server's silence
    std::function<void()> decided;   // told when the move is carried through from now on
    // Told for whom everything stands still, once that is long; empty: nobody.
    std::function<void(const std::string&)> waiting_for;
    size_t answer_bytes = 0;         // that an answer may have
  };

  ShardMove(core::World& world, std::shared_ptr<core::Strand> strand, Plan plan);

  // Once. `done`: OK, the next map is in force everywhere; or why the present one is, unless
  // is_decided(): then the parameters are lost.
  void start(core::UniqueFunction<void(Status)> done);
  // Has no effect once it is decided.
  void call_off(Status why);
  bool is_decided() const { return decided_; }
  bool is_under_way() const { return static_cast<bool>(done_); }
  const Plan& plan() const { return plan_; }

  // After it has ended well:
  // For how long pushes may have been held, at most.
  core::Duration held() const { return held_; }
  size_t floats_moved() const;  // of the parameters
  // What the servers that have no shards any more have counted.
  std::vector<wire::LedgerReply> retired() const;

 private:
  using Call = client::PersistentCall<Result<wire::MoveReply>>;

  int before() const { return plan_.from.servers(); }
  int after() const { return plan_.to.servers(); }
  void give_up_calls();
  void overdue(int server, const std::string& whom);
  void ask(const std::vector<int>& servers, std::function<wire::MoveRequest(int server)> request,
           void (ShardMove::*next)());
  wire::MoveRequest request(wire::MoveStep step) const;
  wire::MoveRequest take_request(int server) const;
  void frozen();
  void committed();
  void take();
  void taken();
  void switched();
  void failed(const Status& why);
  void thawed();
  void end(Status status);

  core::World& world_;
  const std::shared_ptr<core::Strand> strand_;
  const Plan plan_;
  core::UniqueFunction<void(Status)> done_;
  std::vector<std::unique_ptr<Call>> calls_;  // of the present step
  size_t missing_ = 0;                        // answers
  std::map<int, std::string> overdue_;        // servers
  std::vector<wire::MoveReply> servers_;      // of `from`, by index, as they stand still
  bool decided_ = false;
  Status called_off_;
  core::TimePoint frozen_since_{};
  core::Duration held_{};
};

}  // namespace sluice::driver
