#include "driver/shard_move.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

namespace sluice::driver {

using wire::MoveReply;
using wire::MoveRequest;
using wire::MoveStep;

namespace {

// A server that copies for long is not silent: whether it lives, its heartbeats tell.
constexpr core::Duration kTaking = std::chrono::minutes(10);
// Whoever asks again is answered with what was asked for before.
constexpr core::Duration kAttempt = std::chrono::seconds(2);
constexpr core::Duration kTelling = std::chrono::seconds(5);

std::vector<int> numbers(int count) {
  std::vector<int> result(static_cast<size_t>(count));
  std::iota(result.begin(), result.end(), 0);
  return result;
}

// Whether the server has counted the push.
bool has(const MoveReply& server, const wire::LedgerState::Name& push) {
  const auto its = std::ranges::find_if(server.ledger.segments, [&](const auto& segment) {
    return segment.partition == push.first && segment.first <= push.second &&
           push.second <= segment.last;
  });
  return its != server.ledger.segments.end() && push.second <= its->applied;
}

}  // namespace

std::vector<std::vector<wire::Settled>> half_applied(const std::vector<MoveReply>& servers) {
  std::vector<std::vector<wire::Settled>> commits(servers.size());
  for (size_t server = 0; server < servers.size(); ++server) {
    for (const wire::LedgerState::Name& push : servers[server].staged) {
      const auto other =
          std::ranges::find_if(servers, [&](const MoveReply& its) { return has(its, push); });
      if (other == servers.end() || has(servers[server], push)) continue;
      const bool superseded = std::ranges::binary_search(other->ledger.superseded, push);
      commits[server].push_back({push.first, push.second, superseded});
    }
  }
  return commits;
}

ShardMove::ShardMove(core::World& world, std::shared_ptr<core::Strand> strand, Plan plan)
    : world_(world),
      strand_(std::move(strand)),
      plan_(std::move(plan)),
      servers_(static_cast<size_t>(before())) {}

void ShardMove::ask(const std::vector<int>& servers, std::function<MoveRequest(int server)> request,
                    void (ShardMove::*next)()) {
  give_up_calls();
  missing_ = servers.size();
  for (const int server : servers) {
    const auto channel = plan_.servers[static_cast<size_t>(server)];
    const MoveRequest its = request(server);
    const bool takes = its.step == MoveStep::kTake;
    calls_.push_back(std::make_unique<Call>(
        world_, strand_, [this, server](const std::string& whom) { overdue(server, whom); }));
    calls_.back()->start(
        "the parameter server at " + channel->address(),
        {.give_up_after = takes ? kTaking : plan_.give_up_after, .longest_attempt = kAttempt},
        [channel, its, bytes = plan_.answer_bytes](wire::CallOptions call,
                                                   core::Reply<Result<MoveReply>> reply) {
          call.answer_bytes = bytes;
          channel->move(its, call, std::move(reply));
        },
        [this, server, step = its.step, next](Result<MoveReply> reply) {
          if (!reply.ok() && step != MoveStep::kThaw) return failed(reply.status());
          const bool tells = step == MoveStep::kFreeze || step == MoveStep::kCommit;
          if (tells) servers_[static_cast<size_t>(server)] = *std::move(reply);
          if (--missing_ == 0) (this->*next)();
        });
  }
}

void ShardMove::give_up_calls() {
  calls_.clear();
  if (overdue_.empty()) return;
  overdue_.clear();
  plan_.waiting_for("");
}

void ShardMove::overdue(int server, const std::string& whom) {
  if (whom.empty()) {
    overdue_.erase(server);
  } else {
    overdue_[server] = whom;
  }
  std::string all;
  for (const auto& [number, its] : overdue_) all += (all.empty() ? "" : "; ") + its;
  plan_.waiting_for(all);
}

MoveRequest ShardMove::request(MoveStep step) const {
  return {.job = plan_.job, .revision = plan_.next_revision, .step = step};
}

void ShardMove::start(core::UniqueFunction<void(Status)> done) {
  done_ = std::move(done);
  frozen_since_ = world_.now();
  ask(
      numbers(before()), [this](int) { return request(MoveStep::kFreeze); }, &ShardMove::frozen);
}

// A push is applied by all servers or by none: what one has applied, its worker had staged at all.
void ShardMove::frozen() {
  const std::vector<std::vector<wire::Settled>> commits = half_applied(servers_);
  std::vector<int> servers;
  for (size_t server = 0; server < commits.size(); ++server) {
    if (!commits[server].empty()) servers.push_back(static_cast<int>(server));
  }
  if (servers.empty()) return take();
  ask(
      servers,
      [&](int server) {
        MoveRequest its = request(MoveStep::kCommit);
        its.commits = commits[static_cast<size_t>(server)];
        return its;
      },
      &ShardMove::committed);
}

void ShardMove::committed() {
  // Nothing was staged meanwhile: a server that stands still keeps messages for later.
  const auto left = half_applied(servers_);
  if (std::ranges::all_of(left, [](const auto& its) { return its.empty(); })) return take();
  failed(
      internal_error("a server has not applied what it was told to: this is a bug in Sluice, "
                     "please report it with the log"));
}

void ShardMove::take() {
  const int64_t version = servers_.front().ledger.counts.version;
  for (const MoveReply& its : servers_) {
    if (its.ledger.counts.version == version) continue;
    return failed(internal_error(fmt::format(
        "servers that stand still have {} and {} updates: this is a bug in Sluice, please report "
        "it with the log",
        version, its.ledger.counts.version)));
  }
  ask(
      numbers(after()), [this](int server) { return take_request(server); }, &ShardMove::taken);
}

MoveRequest ShardMove::take_request(int server) const {
  MoveRequest its = request(MoveStep::kTake);
  its.next = {plan_.job, plan_.to, server, plan_.update_rule, plan_.pushes, plan_.next_revision};
  its.from_revision = plan_.revision;
  its.from = plan_.from;
  its.servers = plan_.addresses_for(server);
  const bool had_some = server < before();
  its.server = had_some ? server : -1;
  its.ledger = servers_[had_some ? static_cast<size_t>(server) : 0].ledger;
  // A round that one server has ended is over: whoever was told so is in the next.
  for (const MoveReply& of : servers_) {
    its.ledger.floor = std::max(its.ledger.floor, of.ledger.floor);
  }
  if (!had_some) {  // of its own it has counted nothing
    its.ledger.counts.duplicates = its.ledger.counts.fenced = 0;
    its.ledger.counts.update_seconds = 0;
  }
  for (const MoveReply& of : servers_) {
    its.shards.insert(its.shards.end(), of.shards.begin(), of.shards.end());
  }
  std::ranges::sort(its.shards, {}, &wire::ShardState::shard);
  return its;
}

void ShardMove::taken() {
  decided_ = true;
  plan_.decided();
  ask(
      numbers(std::max(before(), after())), [this](int) { return request(MoveStep::kSwitch); },
      &ShardMove::switched);
}

void ShardMove::switched() {
  held_ = world_.now() - frozen_since_;
  end(ok_status());
}

void ShardMove::call_off(Status why) {
  if (done_ && !decided_) failed(why);
}

// Servers without shards yet are told once.
void ShardMove::failed(const Status& why) {
  if (decided_) return end(why);
  if (!called_off_.ok()) return;
  called_off_ = why;
  for (int server = before(); server < after(); ++server) {  // one of them may be the reason
    const auto channel = plan_.servers[static_cast<size_t>(server)];
    channel->move(request(MoveStep::kThaw), {kTelling}, [channel](const auto&) {});
  }
  ask(
      numbers(before()), [this](int) { return request(MoveStep::kThaw); }, &ShardMove::thawed);
}

void ShardMove::thawed() { end(called_off_); }

void ShardMove::end(Status status) {
  give_up_calls();
  auto done = std::exchange(done_, nullptr);
  done(std::move(status));
}

size_t ShardMove::floats_moved() const {
  size_t floats = 0;
  for (const wire::Shard& shard : plan_.to.shards()) {
    const wire::ShardMap::Part part = plan_.from.covering(shard.offset, shard.size);
    for (int index = part.first; index < part.first + part.shards; ++index) {
      const wire::Shard& before = plan_.from[index];
      if (before.server == shard.server) continue;
      floats += std::min(before.offset + before.size, shard.offset + shard.size) -
                std::max(before.offset, shard.offset);
    }
  }
  return floats;
}

std::vector<wire::LedgerReply> ShardMove::retired() const {
  std::vector<wire::LedgerReply> ledgers;
  for (int server = after(); server < before(); ++server) {
    ledgers.push_back(servers_[static_cast<size_t>(server)].ledger.counts);
  }
  return ledgers;
}

}  // namespace sluice::driver
