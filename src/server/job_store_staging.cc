// How JobStore gathers the pieces of a push. All of it is called with the lock.
#include <fmt/core.h>

#include <utility>

#include "compression/decoder.h"
#include "server/job_store.h"

namespace sluice::server {

// `reply` is left alone where this fails, or says what to answer at once.
Status JobStore::arrive(const wire::PushHeader& header, wire::ReceivedPayload& update,
                        core::Reply<Result<wire::ExchangeReply>>& reply, Arrival& arrival) {
  if (closed_ || header.revision != request_.revision) return moved();
  SLUICE_ASSIGN_OR_RETURN(const bool counted, machine_->arrive(header, update.bytes()));
  SLUICE_ASSIGN_OR_RETURN(const size_t place, machine_->place_of(header.shards));
  if (header.encoding != compression::Compression()) {
    update.encoding = header.encoding;
    SLUICE_RETURN_IF_ERROR(
        compression::validate(header.encoding, shards_[place].shard().size, update.pieces));
  }
  const auto staged = [&](bool duplicate) {
    return wire::ExchangeReply{{machine_->version(), duplicate},
                               {machine_->version(), {}, machine_->gate().floor()}};
  };
  if (counted) {
    if (header.step == wire::PushStep::kStage) {
      arrival.answer = staged(/*duplicate=*/true);
      return ok_status();
    }
    Repeat repeat{header, answer_to(header, place)};
    PushAnswer& answer = repeat.answer.front();
    Call call = std::move(repeat);
    if (turns_.arrive(call, beside(call))) arrival.turn = std::move(call);
    answer.reply = std::move(reply);  // its place is in a list: it has moved nowhere
    return ok_status();
  }
  SLUICE_ASSIGN_OR_RETURN(StagedPush* const push, entry_of(header, arrival));
  const bool repeated = take_pieces(header, place, update, *push);
  if (header.step == wire::PushStep::kStage) {
    arrival.answer = staged(/*duplicate=*/false);
    if (push->waiting.empty()) return ok_status();
  }
  PushAnswers answer;
  if (header.step != wire::PushStep::kStage) answer = answer_to(header, place);
  if (!answer.empty()) answer.front().duplicate = repeated && !push->waiting.empty();
  if (push->complete() && !push->queued && !push->applying) {
    Call call = Push{{header.id.partition, header.id.sequence}};
    if (turns_.arrive(call, beside(call))) arrival.turn = std::move(call);
    push->queued = true;
  }
  if (answer.empty()) return ok_status();
  answer.front().reply = std::move(reply);
  push->waiting.splice(push->waiting.end(), answer);
  return ok_status();
}

// The push that the message is of.
Result<StagedPush*> JobStore::entry_of(const wire::PushHeader& header, Arrival& arrival) {
  const Key key{header.id.partition, header.id.sequence};
  const bool commits = header.step == wire::PushStep::kCommit;
  const auto it = staged_.find(key);
  const bool known = it != staged_.end();
  if (commits && !alone_ && (!known || !it->second.complete())) {
    return failed_precondition(fmt::format("push {} of partition {} was not staged at this server",
                                           key.second, key.first));
  }
  if (!known) return &staged_.emplace(key, new_entry(header)).first->second;
  StagedPush& push = it->second;
  if (commits && header.superseded) push.header.superseded = header.superseded;
  // Whatever is being applied will have been when somebody else asks for it.
  if (push.header.id.incarnation == header.id.incarnation || push.applying) return &push;
  // The lease has been given to somebody else. Either all of the push is here and the driver has
  // found that it is to be applied, or it is trained again.
  if (commits && push.complete()) {
    push.header.id.incarnation = header.id.incarnation;
    return &push;
  }
  StagedPush fresh = new_entry(header);
  std::swap(push, fresh);
  arrival.refused.splice(arrival.refused.end(), fresh.waiting);
  arrival.replaced = std::move(fresh);
  return &push;
}

StagedPush JobStore::new_entry(const wire::PushHeader& header) const {
  StagedPush push{.header = header, .pieces = std::vector<StagedPush::Piece>(shards_.size())};
  for (size_t i = 0; i < shards_.size(); ++i) {
    push.pieces[i].needed = machine_->has_update(i, header.id.partition);
  }
  return push;
}

// What is there already stays: the same bytes, which may be being read. Whether all of it was.
bool JobStore::take_pieces(const wire::PushHeader& header, size_t place,
                           wire::ReceivedPayload& update, StagedPush& push) {
  if (header.step == wire::PushStep::kCommit) return false;
  if (!push.applying && !header.metrics.empty()) push.header.metrics = header.metrics;
  size_t offset = 0;
  bool repeated = header.shards.count > 0;
  for (size_t i = place; i < place + static_cast<size_t>(header.shards.count); ++i) {
    const size_t bytes = compression::encoded_bytes(header.encoding, shards_[i].shard().size);
    StagedPush::Piece& piece = push.pieces[i];
    if (!piece.there) {
      piece.update = wire::part_of(update, offset, bytes);
      piece.base_version = header.base_version;
      piece.there = true;
      repeated = false;
    }
    offset += bytes;
  }
  return repeated;
}

PushAnswers JobStore::answer_to(const wire::PushHeader& header, size_t place) const {
  PushAnswers answer;
  answer.push_back({.id = header.id,
                    .shards = header.shards,
                    .place = place,
                    .member = header.member,
                    .clock = header.clock,
                    .worker = header.worker,
                    .wanted = header.wanted});
  return answer;
}

// With one server nothing of a push that it has not applied has been applied anywhere. With several
// the others decide: what is complete is kept until the push comes again, or is committed.
bool JobStore::drop_fenced(const wire::FenceRequest& request, int64_t next, PushAnswers& refused,
                           std::vector<std::map<Key, StagedPush>::node_type>& dropped) {
  bool kept = false;
  const auto end = staged_.upper_bound({request.partition, request.last});
  for (auto it = staged_.lower_bound({request.partition, request.first}); it != end;) {
    const auto one = it++;
    StagedPush& push = one->second;
    if (push.header.id.incarnation >= request.incarnation) continue;
    refused.splice(refused.end(), push.waiting);
    if (!alone_ && push.complete()) {
      kept = kept || one->first.second == next;
    } else {
      dropped.emplace_back();  // its place first: nothing is lost if there is no memory
      dropped.back() = staged_.extract(one);
    }
  }
  return kept;
}

}  // namespace sluice::server
