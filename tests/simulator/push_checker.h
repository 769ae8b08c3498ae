// Looks at every push, gate, fence and answer of a simulated job's servers, and says what must not
// be. Beside each shard a ShardModel goes along.
//
// A push is of one attempt everywhere: when a server has applied what somebody staged, the others
// apply that, or nothing yet; nobody trains it again.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "driver/job_result.h"
#include "tests/simulator/encoding_model.h"
#include "tests/simulator/network.h"
#include "tests/simulator/shard_model.h"

namespace sluice::simulator {

// What the job must come to.
struct Expected {
  std::vector<int64_t> pushes;  // by partition
  int shards = 0;
  int64_t records = 0;
  int epochs = 0;
  Rules rules;
  bool own_parameters = false;  // of each partition, as many shards of its own

  // Whether a push of the partition has an update for the shard.
  bool has_update(int shard, int64_t partition) const {
    return !own_parameters || shard / (shards / std::ssize(pushes)) == partition;
  }
};

class PushChecker final : public ServerWatcher {
 public:
  // `counted`: told of each push that a server has applied or superseded.
  PushChecker(Expected expected, std::function<void(std::string)> violation,
              std::function<void()> counted)
      : expected_(std::move(expected)),
        violation_(std::move(violation)),
        counts_(std::move(counted)) {}

  void on_create(const std::string& server, const wire::CreateRequest& request) override;
  void on_push(const std::string& server, const Push& push) override;
  void on_answer(int64_t call, const Result<wire::ExchangeReply>& answer) override;
  void on_gate(const std::string& server, const wire::Gate& gate) override;
  void on_fence(const std::string& server, const wire::FenceRequest& fence) override;
  void on_settled(const std::string& server) override;
  void on_move(const std::string& server, const wire::MoveRequest& request) override;
  void on_pulled(const wire::PullRequest& request, const wire::PullReply& answer) override;
  void on_sent(const wire::PushHeader& header) override { encodings_.on_sent(header); }
  void on_acknowledged(const wire::PushHeader& header, const wire::PushReply& reply) override;
  void on_duplicate(const wire::PushHeader& header) override { encodings_.on_duplicate(header); }
  void on_taken(const std::optional<wire::Wanted>& wanted, wire::ShardRange shards, uint64_t name,
                std::span<const float> held) override;

  const EncodingModel& encodings() const { return encodings_; }
  int64_t superseded() const;  // pushes, of all servers
  int64_t moves() const { return moves_; }      // of shards to other servers
  int64_t settled() const { return settled_; }  // pushes that were applied while they stood still
  void check_result(const driver::JobResult& result);

 private:
  using Identity = std::tuple<std::string, int64_t, int64_t>;  // server, partition, sequence
  using Name = std::pair<int64_t, int64_t>;                    // partition, sequence
  struct Server {
    int index = 0;
    std::vector<int> shards;
  };
  // What has been brought of a push, under one incarnation.
  struct Staged {
    wire::PushHeader header;  // of the first message, with the metrics of the one that had some
    std::map<int, std::vector<float>> updates;  // by shard
    std::map<int, compression::Compression> encodings;
  };
  // A call that has not been answered yet.
  struct Open {
    std::string server;
    wire::PushHeader header;
    bool duplicate = false;
    bool late = false;  // it was, when it was counted
    bool counted = false;
  };
  struct Samples {
    int64_t trained = 0, superseded = 0;
    friend bool operator==(const Samples&, const Samples&) = default;
  };

  void switch_to(int64_t revision);
  // All of a server's shards go on alike.
  ShardModel& model_of(const std::string& server);
  void bring(const std::string& server, const Push& push);
  void count(const std::string& server, const Push& push);
  void check_contents(const std::string& server, const Staged& staged);
  void check_answer(const Open& call, const wire::ExchangeReply& answer);
  void check_values(const Open& call, const wire::ExchangeReply& answer);
  void check_plan();
  void check_final_values(const driver::JobResult& result);
  void check_counts(const driver::JobResult& result);

  const Expected expected_;
  const std::function<void(std::string)> violation_;
  const std::function<void()> counts_;
  std::map<int, ShardModel> models_;       // by shard
  std::map<std::string, Server> servers_;  // that have shards
  int64_t revision_ = 0;                   // of the map that they are of
  std::set<std::string> frozen_;           // that look at no message
  // By revision, who will have which then, as far as they have been told.
  std::map<int64_t, std::map<std::string, Server>> next_;
  std::map<Identity, Staged> staged_;      // not counted yet
  std::map<Identity, Became> counted_;     // applied or superseded
  std::map<Name, int64_t> attempts_;       // the incarnation under which it was trained
  int64_t moves_ = 0, settled_ = 0;
  EncodingModel encodings_;
  std::map<Name, std::vector<float>> contents_;
  std::map<int, std::vector<float>> sums_;  // of what was applied, by shard
  std::map<int, Samples> samples_;  // by epoch, as the ledger server has them
  // (server, partition, sequence): the incarnation below which it has promised not to count it.
  std::map<std::tuple<std::string, int64_t, int64_t>, int64_t> fenced_;
  std::map<int64_t, Open> open_;
  std::vector<std::pair<int64_t, Result<wire::ExchangeReply>>> answers_;  // until on_settled()
  std::map<std::pair<int, int64_t>, int64_t> round_versions_;             // by shard and clock
};

}  // namespace sluice::simulator
