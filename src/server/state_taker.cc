#include "server/state_taker.h"

#include <algorithm>
#include <utility>

#include "server/guarded.h"

namespace sluice::server {

using Kept = wire::PullRequest::Kept;
using wire::ShardState;

namespace {
constexpr const char* kGivenUp = "the shards stay where they are";
}  // namespace

StateTaker::StateTaker(wire::MoveRequest request, std::shared_ptr<JobStore> own,
                       ParameterServer::Connect connect)
    : request_(std::move(request)), own_(std::move(own)) {
  list();
  const auto elsewhere = [](const Piece& piece) { return !piece.own; };
  if (std::ranges::any_of(pieces_, elsewhere)) {
    client_ = connect(request_.job, {request_.from_revision, request_.from, request_.servers});
    others_ = client_.get();
  }
}

StateTaker::~StateTaker() {
  is_given_up_ = true;
  client_ = nullptr;
  end(cancelled(kGivenUp));
}

void StateTaker::wait(core::Reply<Status> reply) {
  std::unique_lock lock(mutex_);
  if (!ended_) {
    waiting_.emplace_back();
    waiting_.back() = std::move(reply);
    return;
  }
  const Status status = *ended_;
  lock.unlock();
  reply(status);
}

bool StateTaker::has_failed() const {
  std::lock_guard lock(mutex_);
  return ended_ && !ended_->ok();
}

void StateTaker::end(const Status& status) {
  std::vector<core::Reply<Status>> waiting;
  {
    std::lock_guard lock(mutex_);
    if (!ended_) ended_ = status;
    waiting.swap(waiting_);
  }
  for (core::Reply<Status>& reply : waiting) reply(status);
}

void StateTaker::list() {
  const wire::ShardMap& next = request_.next.shard_map;
  const std::vector<int> owned = next.owned_by(request_.next.server);
  const wire::Shard &first = next[owned.front()], &last = next[owned.back()];
  part_ = request_.from.covering(first.offset, last.offset + last.size - first.offset);
  for (int shard = part_.first; shard < part_.first + part_.shards; ++shard) {
    const wire::Shard& its = request_.from[shard];
    const bool own = own_ != nullptr && its.server == request_.server;
    if (pieces_.empty() || pieces_.back().own != own) {
      pieces_.push_back({{shard, 0, its.offset, 0}, own});
    }
    ++pieces_.back().part.shards;
    pieces_.back().part.size += its.size;
  }
  const auto shards =
      std::span(request_.shards)
          .subspan(static_cast<size_t>(part_.first), static_cast<size_t>(part_.shards));
  kinds_.emplace_back();
  averages_ = kinds_.size();
  if (shards.front().averages) kinds_.push_back({.averages = true});
  rule_ = kinds_.size();
  for (size_t i = 0; i < shards.front().rule_floats.size(); ++i) {
    kinds_.push_back({.kept = Kept{Kept::What::kRule, static_cast<int>(i)}});
  }
  given_ = kinds_.size();
  for (const ShardState::Given& one : shards.front().given) {
    const auto has = [&](const ShardState& its) {
      return std::ranges::any_of(its.given, [&](const auto& other) {
        return other.worker == one.worker && other.id == one.id;
      });
    };
    if (!std::ranges::all_of(shards, has)) continue;
    workers_.push_back(one);
    kinds_.push_back({.kept = Kept{Kept::What::kGiven, one.worker}});
  }
}

void StateTaker::start(std::function<Status()> finish) {
  finish_ = std::move(finish);
  go_on();
}

std::span<float> StateTaker::place_of(const Piece& piece, Kind& kind) const {
  return kind.floats.span().subspan(piece.part.offset - part_.offset, piece.part.size);
}

// One kind after the other, of one piece after the other. With an answer to come, or at the end.
void StateTaker::go_on() {
  const Result<bool> is_under_way = guarded("take", [this] { return get_next(); });
  if (!is_under_way.ok()) return end(is_under_way.status());
  if (!*is_under_way) end(finish_());
}

Result<bool> StateTaker::get_next() {
  for (; kind_ < kinds_.size(); ++kind_, piece_ = 0) {
    Kind& kind = kinds_[kind_];
    if (kind.floats.size() == 0) kind.floats = core::AlignedBuffer(part_.size);
    while (piece_ < pieces_.size()) {
      const Piece& piece = pieces_[piece_++];
      if (piece.own) {
        SLUICE_RETURN_IF_ERROR(copy(piece, kind));
        continue;
      }
      if (is_given_up_) return cancelled(kGivenUp);
      // It is answered before what it points to is gone.
      others_->pull_kept(kind.averages, kind.kept, piece.part, place_of(piece, kind),
                         [this](const Status& status) {
                           if (!status.ok()) return end(status);
                           go_on();
                         });
      return true;
    }
  }
  return false;
}

Status StateTaker::copy(const Piece& piece, Kind& kind) const {
  std::span<float> into = place_of(piece, kind);
  for (int shard = piece.part.first; shard < piece.part.first + piece.part.shards; ++shard) {
    wire::PullRequest request{.shards = {shard, 1}, .averages = kind.averages};
    request.kept = kind.kept;
    SLUICE_ASSIGN_OR_RETURN(const wire::Payload its, own_->floats(request));
    if (its.values.size() != request_.from[shard].size) return invalid_argument("another shard");
    std::ranges::copy(its.values, into.begin());
    into = into.subspan(its.values.size());
  }
  return ok_status();
}

Status StateTaker::give_to(JobStore& store) const {
  std::vector<ShardValues::Adopted> adopted;
  const wire::ShardMap& next = request_.next.shard_map;
  for (const int index : next.owned_by(request_.next.server)) {
    const wire::Shard& shard = next[index];
    const wire::ShardMap::Part from = request_.from.covering(shard.offset, shard.size);
    const auto part_of = [&](size_t kind) {
      return kinds_[kind].floats.span().subspan(shard.offset - part_.offset, shard.size);
    };
    ShardValues::Adopted& its = adopted.emplace_back();
    its.state = state_of(from.first);
    its.state.shard = index;
    std::vector<bool>& there = its.state.rule_floats;
    for (int old = from.first; old < from.first + from.shards; ++old) {
      const ShardState& other = state_of(old);
      its.state.values_version = std::max(its.state.values_version, other.values_version);
      for (size_t i = 0; i < there.size(); ++i) there[i] = there[i] || other.rule_floats[i];
    }
    its.values = part_of(0);
    if (its.state.averages) its.averages = part_of(averages_);
    for (size_t i = 0; i < there.size(); ++i) {
      its.rule.push_back(there[i] ? part_of(rule_ + i) : std::span<const float>());
    }
    its.state.given = workers_;
    for (size_t i = 0; i < workers_.size(); ++i) its.given.push_back(part_of(given_ + i));
  }
  return store.adopt(request_.ledger, adopted, own_ ? own_->totals() : TrainingTotals());
}

}  // namespace sluice::server
