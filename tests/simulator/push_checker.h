// Looks at every push, gate, fence and answer of a simulated job's servers, and says what must not
// be. Beside each shard a ShardModel goes along.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "driver/job_result.h"
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
  // `counted`: told of each push that a shard has applied or superseded.
  PushChecker(Expected expected, std::function<void(std::string)> violation,
              std::function<void()> counted)
      : expected_(std::move(expected)),
        violation_(std::move(violation)),
        counts_(std::move(counted)) {}

  void on_push(const std::string& server, const Push& push) override;
  void on_answer(int64_t call, const Result<wire::ExchangeReply>& answer) override;
  void on_gate(const std::string& server, const wire::Gate& gate) override;
  void on_fence(const std::string& server, const wire::FenceRequest& fence) override;
  void on_settled(const std::string& server) override;
  void on_acknowledged(const wire::PushHeader& header) override;

  int64_t superseded() const;  // pushes, of all shards
  void check_result(const driver::JobResult& result);

 private:
  using Identity = std::tuple<int, int64_t, int64_t>;  // shard, partition, sequence
  // A call that has not been answered yet.
  struct Open {
    std::string server;
    wire::PushHeader header;
    bool duplicate = false;
    bool late = false;  // it was, when it came
  };
  struct Samples {
    int64_t trained = 0, superseded = 0;
    friend bool operator==(const Samples&, const Samples&) = default;
  };

  ShardModel& model_of(const std::string& server, int shard);
  void count(const std::string& server, const Push& push, ShardModel& model);
  void check_contents(const wire::PushHeader& header, std::span<const float> update);
  void check_answer(const Open& call, const wire::ExchangeReply& answer);
  void check_plan();
  void check_values(const driver::JobResult& result);
  void check_counts(const driver::JobResult& result);

  const Expected expected_;
  const std::function<void(std::string)> violation_;
  const std::function<void()> counts_;
  std::map<int, ShardModel> models_;                      // by shard
  std::map<int, std::string> servers_;                    // of each shard
  std::map<std::string, std::vector<wire::Gate>> gates_;  // that each server has heard, in order
  std::map<Identity, Became> counted_;                    // applied or superseded
  std::map<std::pair<int64_t, int64_t>, std::vector<float>> contents_;  // by partition, sequence
  std::map<int, Samples> samples_;  // by epoch, as the ledger shard has them
  // (server, partition, sequence): the incarnation below which it has promised not to count it.
  std::map<std::tuple<std::string, int64_t, int64_t>, int64_t> fenced_;
  std::map<int64_t, Open> open_;
  std::vector<std::pair<int64_t, Result<wire::ExchangeReply>>> answers_;  // until on_settled()
  std::map<std::pair<int, int64_t>, int64_t> round_versions_;             // by shard and clock
};

}  // namespace sluice::simulator
