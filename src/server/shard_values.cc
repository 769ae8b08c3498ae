#include "server/shard_values.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "compression/decoder.h"
#include "compression/encoder.h"
#include "server/payload_reader.h"
#include "server/push_machine.h"

namespace sluice::server {
namespace {

// 2048 floats: 8 KiB each of old values, update and result stay in a first-level cache of 32 KiB
// together, and then the result with its old and new averages; blocks of 32 KiB were a third
// slower.
constexpr size_t kBlock = LiveValues::kBlock;

}  // namespace

ShardValues::Assigned ShardValues::prepare_values(const wire::ReceivedPayload& values,
                                                  bool in_place) {
  if (!rule_.update) rule_ = make_rule_(shard_);
  if (in_place) return {.snapshot = {}, .live = std::make_shared<LiveValues>(shard_.size, values)};
  auto buffer = pool_->take();
  PayloadReader(values, shard_.size).copy(buffer->span().first(shard_.size));
  Assigned assigned{.snapshot = {.values = payload_of(std::move(buffer))}, .live = nullptr};
  if (rule_.average) assigned.snapshot.averages = assigned.snapshot.values;
  return assigned;
}

void ShardValues::assign(Assigned& values) noexcept {
  std::swap(snapshot_, values.snapshot);
  std::swap(live_, values.live);
}

void ShardValues::prepare(Step& step) {
  step.values = pool_->take();
  if (rule_.average) step.averages = pool_->take();
}

void ShardValues::begin(Step& step, const wire::PushIdentity& id) {
  if (begun_ && begun_->first == id) {
    step.publishes = begun_->second;
    return;
  }
  step.publishes = rule_.update->begin(step.context);
  begun_ = {id, step.publishes};
}

void ShardValues::apply(Step& step, const wire::ReceivedPayload& update) {
  const algorithm::PushContext& context = step.context;
  const bool averages = rule_.average && step.publishes;
  if (averages) {
    algorithm::PushContext all = context;  // steps since values came of a push
    all.steps_before = averaged_steps_;
    all.steps = static_cast<int32_t>(context.steps_before + context.steps - averaged_steps_);
    rule_.average->begin(all);
  }
  PayloadReader reader(update, shard_.size);
  alignas(64) float scratch[kBlock];
  for (size_t offset = 0; offset < shard_.size; offset += kBlock) {
    const size_t n = std::min(kBlock, shard_.size - offset);
    const std::span<float> block = step.values->span().subspan(offset, n);
    rule_.update->apply(step.old.values.values.subspan(offset, n),
                        context.has_update ? reader.next({scratch, n}) : std::span<const float>(),
                        step.publishes ? block : std::span<float>(), offset, context);
    if (!averages) continue;
    rule_.average->apply(block, step.old.averages.values.subspan(offset, n),
                         step.averages->span().subspan(offset, n), offset);
  }
  if (!step.publishes) return;
  step.next.values = payload_of(std::move(step.values));
  if (averages) step.next.averages = payload_of(std::move(step.averages));
}

void ShardValues::publish(Step& step, int64_t version) noexcept {
  begun_.reset();
  if (!step.publishes) return;
  averaged_steps_ = step.context.steps_before + step.context.steps;
  step.next.version = version;
  std::swap(snapshot_, step.next);
}

ShardValues::Snapshot ShardValues::copied(const LiveValues& live, int64_t version) const {
  const auto buffer = pool_->take();
  live.copy_to(buffer->span().first(shard_.size));
  return {.version = version, .values = payload_of(buffer)};
}

// Rules are also those of people who use the library.
Result<algorithm::RuleState> ShardValues::rule_state() const {
  std::optional<algorithm::RuleState> state = rule_.update->state();
  if (!state) {
    return failed_precondition("its rule does not say what it keeps (UpdateRule::state)");
  }
  for (const std::span<const float> floats : state->floats) {
    if (floats.empty() || floats.size() == shard_.size) continue;
    return failed_precondition(
        fmt::format("its rule says that it keeps {} floats of a shard of {} (UpdateRule::state)",
                    floats.size(), shard_.size));
  }
  if (std::ranges::all_of(state->numbers, [](double number) { return std::isfinite(number); })) {
    return *std::move(state);
  }
  return failed_precondition("its rule keeps a number that is not finite (UpdateRule::state)");
}

Result<wire::ShardState> ShardValues::describe() const {
  SLUICE_ASSIGN_OR_RETURN(const algorithm::RuleState rule, rule_state());
  wire::ShardState state{.shard = shard_.index, .averaged_steps = averaged_steps_};
  state.averages = rule_.average.has_value();
  for (const auto& floats : rule.floats) state.rule_floats.push_back(!floats.empty());
  state.rule_numbers = rule.numbers;
  for (const auto& [worker, given] : given_) {
    if (given.snapshot.values.owner) {
      state.given.push_back({worker, given.id, given.snapshot.version});
    }
  }
  return state;
}

Result<wire::Payload> ShardValues::kept(const wire::PullRequest::Kept& what) const {
  const Status none = not_found(to_text({shard_.index, 1}) + ": has no such floats");
  if (what.what == wire::PullRequest::Kept::What::kGiven) {
    const auto its = given_.find(what.index);
    if (its == given_.end()) return none;
    return its->second.snapshot.values;
  }
  SLUICE_ASSIGN_OR_RETURN(const algorithm::RuleState rule, rule_state());
  if (what.index < 0 || what.index >= std::ssize(rule.floats)) return none;
  const std::span<const float> floats = rule.floats[static_cast<size_t>(what.index)];
  const auto buffer = pool_->take();
  const std::span<float> copy = buffer->span().first(shard_.size);
  std::ranges::fill(copy, 0.0f);
  std::ranges::copy(floats, copy.begin());
  return payload_of(buffer);
}

Status ShardValues::adopt(const Adopted& adopted, bool in_place) {
  const auto copied = [this](std::span<const float> values) {
    const auto buffer = pool_->take();
    std::ranges::copy(values, buffer->span().begin());
    return payload_of(buffer);
  };
  Assigned assigned = prepare_values({{std::as_bytes(adopted.values)}, nullptr}, in_place);
  const std::optional<algorithm::RuleState> fresh = rule_.update->state();
  if (!fresh || fresh->floats.size() != adopted.rule.size() ||
      fresh->numbers.size() != adopted.state.rule_numbers.size()) {
    return invalid_argument(to_text({shard_.index, 1}) + ": what its rule keeps is another rule's");
  }
  rule_.update->restore({adopted.rule, adopted.state.rule_numbers});
  averaged_steps_ = adopted.state.averaged_steps;
  assigned.snapshot.version = adopted.state.values_version;
  if (rule_.average) assigned.snapshot.averages = copied(adopted.averages);
  for (size_t i = 0; i < adopted.given.size(); ++i) {
    const auto& [worker, id, version] = adopted.state.given[i];
    given_[worker] = {id, {version, copied(adopted.given[i])}};
  }
  assign(assigned);
  return ok_status();
}

// The same sums as the worker's, to the bit (wire::take()).
ShardValues::Difference ShardValues::difference(const wire::Payload& values,
                                                const wire::Payload& held,
                                                const compression::Compression& encoding) const {
  const auto code =
      std::make_shared<std::vector<std::byte>>(compression::encoded_bytes(encoding, shard_.size));
  const auto sum = pool_->take();
  std::span<std::byte> rest(*code);
  alignas(64) float block[kBlock], residual[kBlock];
  for (size_t offset = 0; offset < shard_.size; offset += kBlock) {
    const size_t n = std::min(kBlock, shard_.size - offset);
    const float* const now = values.values.data() + offset;
    const float* const before = held.values.data() + offset;
    for (size_t i = 0; i < n; ++i) block[i] = now[i] - before[i];
    std::fill_n(residual, n, 0.0f);
    const auto bytes = rest.first(compression::encoded_bytes(encoding, n));
    rest = rest.subspan(bytes.size());
    compression::encode(encoding, {block, n}, {residual, n}, bytes);
    const std::span<const std::byte> piece = bytes;
    compression::Decoder(encoding, n, {&piece, 1}).next(block);
    float* const after = sum->span().data() + offset;
    for (size_t i = 0; i < n; ++i) after[i] = before[i] + block[i];
  }
  return {{encoding, {code, *code}}, payload_of(sum)};
}

wire::Payload ShardValues::payload_of(std::shared_ptr<const core::AlignedBuffer> buffer) const {
  const std::span<const float> span = buffer->span().first(shard_.size);
  return {std::move(buffer), span};
}

}  // namespace sluice::server
