// What compression must make of pushes and answers: the sender's residuals and what workers hold,
// kept beside the product's own from what is seen at the network.
//
// Toy pushes and values are small whole numbers, and so is what of them is sent and what is left
// (bf16 and top-k write them exactly). Nothing is therefore approximate here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "compression/compression.h"
#include "tests/simulator/toy_backend.h"
#include "wire/parameters.h"

namespace sluice::simulator {

class EncodingModel {
 public:
  // A worker begins to send a message of a push. The ledger server's says what was trained.
  void on_sent(const wire::PushHeader& header);
  // It has been told that the message's push is applied, or superseded.
  void on_acknowledged(const wire::PushHeader& header, bool superseded);
  // Or that it had been before: whose it was, it does not know.
  void on_duplicate(const wire::PushHeader& header);
  // What was trained in the push, by place; null: nobody sent it.
  const std::vector<float>* contents(const wire::PushHeader& header) const;
  // A server has counted the push, which brought `update`, decoded, for a shard. What is wrong with
  // it; empty: nothing.
  std::string check_update(const wire::PushHeader& header, int shard,
                           const compression::Compression& encoding, std::span<const float> update);

  // A server that has `values` answers for a shard. Likewise.
  std::string check_answer(const std::optional<wire::Wanted>& wanted, int shard,
                           std::span<const float> values, const wire::PullReply& answer);
  // A worker has taken an answer, and has this now.
  std::string check_held(const std::optional<wire::Wanted>& wanted, int shard, uint64_t name,
                         std::span<const float> held) const;

  int64_t encoded() const { return encoded_; }          // updates
  int64_t differences() const { return differences_; }  // answers

 private:
  using Identity = std::tuple<int64_t, int64_t, int64_t>;  // partition, incarnation, sequence
  using Residuals = std::map<int, std::vector<float>>;     // by shard; none: zero
  struct Sent {
    std::vector<float> contents = std::vector<float>(kPlaces);
    bool told = false;  // what they are; a push of no steps has none
    // The residuals that it may have begun with, and what each leaves behind.
    std::vector<std::pair<Residuals, Residuals>> may_be{};
    std::set<int> shards{}, acknowledged{};
    bool dropped = false;  // superseded, or perhaps not this one that was applied
  };
  struct Sender {
    Identity last{};
    std::map<Identity, Sent> pushes{};
  };

  static Identity identity(const wire::PushHeader& header);
  void begin(Sender& sender, const wire::PushHeader& header);

  std::map<int64_t, Sender> senders_;  // by member
  // By member, shard and name.
  std::map<std::tuple<int64_t, int, uint64_t>, std::vector<float>> held_;
  int64_t encoded_ = 0, differences_ = 0;
};

}  // namespace sluice::simulator
