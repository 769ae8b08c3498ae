// All shards of the servers as one: the whole parameter vector pulled, exchanged or assigned.
//
// Every shard is a message of its own, but all that a server has are one where it shares memory
// with this process. ExchangeMachine decides which goes when. One call at a time.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "client/exchange_machine.h"
#include "client/versions.h"
#include "core/aligned_buffer.h"
#include "core/reply.h"
#include "core/world.h"
#include "wire/transport.h"

namespace sluice::client {

class ParameterClient {
 public:
  // `timers`: a strand that is never busy for long. `waiting_for` is told whom a wait is for once
  // an answer is overdue or a call has to be repeated, and the empty string when that wait is over,
  // however it ended; on any thread, and it must not block.
  ParameterClient(core::World& world, wire::Transport& transport,
                  std::shared_ptr<core::Strand> timers, uint64_t job, wire::Placement placement,
                  const ExchangeOptions& options,
                  std::function<void(const std::string&)> waiting_for);
  // Cuts off what is under way and returns when no call can touch the caller's buffers any more.
  // Not on the thread of an answer.
  ~ParameterClient();

  // As it is between two calls.
  const wire::ShardMap& shard_map() const;
  // The parameters are elsewhere, or cut otherwise, from now on; of an earlier revision it is
  // ignored. A call that is under way goes on: servers that it asks have the next map by then, or
  // tell it that they do not have the shards any more, and then it begins again.
  void follow(wire::Placement placement);

  // Reads all parameters into `into` and remembers their versions. Answers, on any thread: OK;
  // CANCELLED, stop() was called; UNAVAILABLE with the name of a server that was silent for too
  // long; or what a server said. `into` belongs to the client until then.
  void pull(std::span<float> into, core::Reply<Status> done);
  // Likewise, for a worker that begins a window with them; of `part` alone, which `into` is as
  // large as. What a worker pulls, and what an exchange brings it, may be sent as differences
  // (ExchangeOptions::pull): nobody else writes to `into` between two calls that have the same one.
  void pull_for(int worker, int64_t member, const wire::ShardMap::Part& part, std::span<float> into,
                core::Reply<Status> done);
  // Likewise the averages of all parameters, of a job that keeps them (use_ema).
  void pull_averages(std::span<float> into, core::Reply<Status> done);
  // Likewise, of `part`: its values, their averages, or what else servers keep of it.
  void pull_kept(bool averages, const std::optional<wire::PullRequest::Kept>& kept,
                 const wire::ShardMap::Part& part, std::span<float> into, core::Reply<Status> done);
  // Pushes `update`, encoded as the header says where it goes over a network, and pulls the result
  // into `into`. `header` needs neither job nor shards, step nor base version. `base_versions`:
  // of the parameters that the update was computed from; empty: versions(). Both buffers are
  // of `part`: servers without a shard of it are told of the push. Answers as pull(), and ABORTED:
  // fenced off, the lease is gone. Both buffers belong to the client until then; the update, until
  // the transport lets go of it.
  void exchange(const wire::PushHeader& header, const wire::ShardMap::Part& part,
                std::shared_ptr<const core::AlignedBuffer> update, std::span<float> into,
                const Versions& base_versions, core::Reply<Status> done);
  // Sets all parameters before the first push. Answers as pull(). `values` as `update` above.
  void assign(std::shared_ptr<const core::AlignedBuffer> values, core::Reply<Status> done);
  // The versions that were last pulled. Not while a call is under way.
  const Versions& versions() const;
  // The highest floor of the workers' clocks that a shard has told so far. Likewise.
  int64_t clock() const;

  // Ends what is under way, with CANCELLED. Thread-safe.
  void stop();

 private:
  class Exchanges;
  const std::shared_ptr<Exchanges> exchanges_;  // shared with the calls that are under way
};

}  // namespace sluice::client
