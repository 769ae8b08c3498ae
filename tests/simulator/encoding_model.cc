#include "tests/simulator/encoding_model.h"

#include <algorithm>
#include <cmath>

#include "compression/encoder.h"

namespace sluice::simulator {
namespace {

using compression::Compression;

// What the receiver of the sum's code decodes; the rest is left in `residual`.
std::vector<float> coded(const Compression& encoding, std::span<const float> values,
                         std::vector<float>& residual) {
  residual.resize(values.size());
  std::vector<std::byte> code(compression::encoded_bytes(encoding, values.size()));
  compression::encode(encoding, values, residual, code);
  std::vector<float> decoded(values.size());
  (void)wire::take(wire::ReceivedPayload{{code}, nullptr, encoding}, decoded);
  return decoded;
}

std::string text_of(std::span<const float> values) {
  std::string text;
  for (const float value : values) text += " " + std::to_string(std::lround(value));
  return text;
}

}  // namespace

EncodingModel::Identity EncodingModel::identity(const wire::PushHeader& header) {
  return {header.id.partition, header.id.incarnation, header.id.sequence};
}

void EncodingModel::on_sent(const wire::PushHeader& header) {
  Sender& sender = senders_[header.member];
  if (!sender.pushes.contains(identity(header))) begin(sender, header);
  Sent& sent = sender.pushes[identity(header)];
  for (int shard = header.shards.first; shard < header.shards.end(); ++shard) {
    sent.shards.insert(shard);
  }
  if (header.metrics.empty() || sent.told) return;
  sent.told = true;
  for (const wire::EpochMetrics& metrics : header.metrics) {
    for (size_t i = 0; i < kPlaces; ++i) {
      sent.contents[i] += static_cast<float>(metrics.counters[i]);
    }
  }
}

// What the push before has left counts on if that was acknowledged, and is dropped if it was not.
// When an exchange ends early, its last answer may come too late to be heard: then its lease is
// over, and it may be either.
void EncodingModel::begin(Sender& sender, const wire::PushHeader& header) {
  Sent sent;
  const auto before = sender.pushes.find(sender.last);
  const bool is_first = before == sender.pushes.end();
  if (!is_first) {
    const Sent& its = before->second;
    const bool counts = its.acknowledged == its.shards && !its.dropped;
    const bool same_lease = std::get<0>(sender.last) == header.id.partition &&
                            std::get<1>(sender.last) == header.id.incarnation;
    for (const auto& [began, left] : its.may_be) {
      if (counts) sent.may_be.push_back({left, left});
    }
    if (!counts || !same_lease) sent.may_be.push_back({});
  } else {
    sent.may_be.push_back({});
  }
  sender.last = identity(header);
  sender.pushes[sender.last] = std::move(sent);
}

void EncodingModel::on_acknowledged(const wire::PushHeader& header, bool superseded) {
  Sent& sent = senders_[header.member].pushes[identity(header)];
  for (int shard = header.shards.first; shard < header.shards.end(); ++shard) {
    sent.acknowledged.insert(shard);
  }
  sent.dropped = sent.dropped || superseded;
}

void EncodingModel::on_duplicate(const wire::PushHeader& header) {
  senders_[header.member].pushes[identity(header)].dropped = true;
}

const std::vector<float>* EncodingModel::contents(const wire::PushHeader& header) const {
  const auto sender = senders_.find(header.member);
  if (sender == senders_.end()) return nullptr;
  const auto sent = sender->second.pushes.find(identity(header));
  return sent == sender->second.pushes.end() ? nullptr : &sent->second.contents;
}

std::string EncodingModel::check_update(const wire::PushHeader& header, int shard,
                                        const Compression& encoding,
                                        std::span<const float> update) {
  const auto* const trained = contents(header);
  if (trained == nullptr) return "nobody has sent it";
  if (encoding != Compression()) ++encoded_;
  Sent& sent = senders_[header.member].pushes[identity(header)];
  std::string wrong;
  std::erase_if(sent.may_be, [&](auto& one) {
    auto& [began, left] = one;
    const auto kept = began.find(shard);
    std::vector<float> residual = kept == began.end() ? std::vector<float>() : kept->second;
    std::vector<float> right = coded(encoding, *trained, residual);
    const bool is = std::ranges::equal(right, update);
    if (!is) wrong += " or" + text_of(right);
    left[shard] = std::move(residual);
    return !is;
  });
  if (!sent.may_be.empty()) return "";
  sent.may_be.push_back({});
  return "shard " + std::to_string(shard) + " was brought" + text_of(update) + ", it should be" +
         (wrong.empty() ? " something else" : wrong.substr(3));
}

std::string EncodingModel::check_answer(const std::optional<wire::Wanted>& wanted, int shard,
                                        std::span<const float> values,
                                        const wire::PullReply& answer) {
  std::vector<float> has(values.size());
  if (answer.difference) {
    ++differences_;
    if (!wanted) return "a difference was answered that nobody wanted";
    const auto base = held_.find({wanted->member, shard, wanted->holds});
    if (base == held_.end()) return "a difference to what the worker never had";
    has = base->second;
    std::vector<float> missing(values.size()), residual;
    for (size_t i = 0; i < missing.size(); ++i) missing[i] = values[i] - has[i];
    const std::vector<float> right = coded(answer.difference->encoding, missing, residual);
    const std::vector<float> before = has;
    if (!wire::take(answer, has).ok()) return "a difference that cannot be read";
    for (size_t i = 0; i < has.size(); ++i) {
      if (has[i] == before[i] + right[i]) continue;
      return "makes" + text_of(has) + " of" + text_of(before) + ", the values are" +
             text_of(values);
    }
  } else {
    if (!wire::take(answer, has).ok()) return "values of another size";
    if (!std::ranges::equal(has, values)) {
      return "has" + text_of(has) + ", the values are" + text_of(values);
    }
  }
  if (answer.held == 0) return "";
  if (!wanted) return "names what nobody asked for";
  if (!held_.emplace(std::tuple(wanted->member, shard, answer.held), has).second) {
    return "a name is used again";
  }
  return "";
}

std::string EncodingModel::check_held(const std::optional<wire::Wanted>& wanted, int shard,
                                      uint64_t name, std::span<const float> held) const {
  if (name == 0 || !wanted) return "";
  const auto known = held_.find({wanted->member, shard, name});
  if (known == held_.end()) return "was told a name that no answer had";
  if (std::ranges::equal(known->second, held)) return "";
  return "has" + text_of(held) + ", and is taken to have" + text_of(known->second);
}

}  // namespace sluice::simulator
