// Gets what a server's shards of the next map consist of from those that have them (wire/move.h):
// by calls from other servers, and as it lies here.
//
// Elementwise, and so is what is kept of each element; numbers that are of a whole shard are, of a
// shard that is cut from several, those of the first. What a worker was given last goes along where
// all the server's shards will have it of.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "client/parameter_client.h"
#include "core/aligned_buffer.h"
#include "server/job_store.h"
#include "server/parameter_server.h"
#include "wire/move.h"

namespace sluice::server {

class StateTaker {
 public:
  // `request` is a kTake that makes sense; `own`: what this server has of the present map, or null.
  StateTaker(wire::MoveRequest request, std::shared_ptr<JobStore> own,
             ParameterServer::Connect connect);
  StateTaker(const StateTaker&) = delete;
  // Not on the thread of an answer of the client's: cuts off what is under way.
  ~StateTaker();

  // Once. `finish` is called when all of it is here, on any thread, and says what comes of it.
  void start(std::function<Status()> finish);
  // Answered when that has ended, with what came of it. Thread-safe.
  void wait(core::Reply<Status> reply);
  bool has_failed() const;
  // Then: has `store`, made for the request's map, go on from there.
  // INVALID_ARGUMENT: of another job. Throws what rules throw.
  Status give_to(JobStore& store) const;

 private:
  // A kind of floats, in the order in which they are listed in ShardState.
  struct Kind {
    bool averages = false;
    std::optional<wire::PullRequest::Kept> kept{};  // neither: the values
    core::AlignedBuffer floats{};                   // of all shards of `part_`
  };
  struct Piece {
    wire::ShardMap::Part part;
    bool own = false;
  };

  void list();
  void go_on();
  Result<bool> get_next();
  void end(const Status& status);
  Status copy(const Piece& piece, Kind& kind) const;
  std::span<float> place_of(const Piece& piece, Kind& kind) const;
  const wire::ShardState& state_of(int shard) const {
    return request_.shards[static_cast<size_t>(shard)];
  }

  const wire::MoveRequest request_;
  const std::shared_ptr<JobStore> own_;
  wire::ShardMap::Part part_;  // of the present map: what the new shards are cut from
  std::vector<Piece> pieces_;  // of that
  std::vector<Kind> kinds_;
  // Where they begin in kinds_; the values are the first.
  size_t averages_ = 0, rule_ = 0, given_ = 0;
  std::vector<wire::ShardState::Given> workers_;  // whose last answers go along
  size_t kind_ = 0, piece_ = 0;                   // that come next
  std::unique_ptr<client::ParameterClient> client_;
  client::ParameterClient* others_ = nullptr;  // the same, also while it ends
  std::atomic<bool> is_given_up_ = false;
  std::function<Status()> finish_;
  mutable std::mutex mutex_;
  std::optional<Status> ended_;               // guarded by mutex_
  std::vector<core::Reply<Status>> waiting_;  // likewise
};

}  // namespace sluice::server
