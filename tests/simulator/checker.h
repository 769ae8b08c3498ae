// Looks at what happens in a simulated job and says what must not be.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "core/clock.h"
#include "driver/job_event.h"
#include "driver/job_result.h"
#include "tests/simulator/network.h"

namespace sluice::simulator {

// What the job must come to.
struct Expected {
  std::vector<int64_t> pushes;  // by partition
  int shards = 0;
  int64_t records = 0;
  int epochs = 0;
  float per_visit = 1;  // what one visit of a record adds to its place in each shard
  std::optional<double> ema_momentum{};  // of the averages, where some are kept
  // Servers hold answers. What is seen of a push is its answer, so that it was applied earlier than
  // it seems, before a fence for instance.
  bool answers_held = false;
};

class Checker {
 public:
  Checker(Simulation& simulation, Expected expected)
      : simulation_(simulation), expected_(std::move(expected)) {}

  void on_exchange(const ExchangeSeen& seen);
  void on_fence(const std::string& server, const wire::FenceRequest& fence);
  void on_event(const driver::JobEvent& event);
  // Now and then, while the job should be going on: whoever is waited for must have been named.
  // `excused`: the driver could not say anything.
  void look(bool excused);
  // At the end.
  void check_result(const Result<driver::JobResult>& result);
  void violation(std::string what) { violations_.push_back(std::move(what)); }

  bool training() const { return training_ && !ending_; }
  bool ending() const { return ending_; }
  int64_t leases_cut() const { return leases_cut_; }
  const std::vector<std::string>& violations() const { return violations_; }

 private:
  void got_on() { last_progress_ = simulation_.now(); }
  void average(const ExchangeSeen& applied);
  void check_averages(std::span<const float> averages);

  Simulation& simulation_;
  const Expected expected_;
  std::vector<std::string> violations_;
  // (shard, partition, sequence): how often it was applied, and whether a worker was told so.
  std::map<std::tuple<int, int64_t, int64_t>, int> applied_;
  // By shard: the averages that follow from the pushes in the order in which they were applied.
  std::map<int, std::vector<double>> averages_;
  // (server, partition, sequence): the incarnation below which it has promised not to apply it.
  std::map<std::tuple<std::string, int64_t, int64_t>, int64_t> fenced_;
  bool training_ = false, ending_ = false;
  int64_t leases_cut_ = 0;
  core::TimePoint last_progress_{};
  std::string waits_for_;
};

}  // namespace sluice::simulator
