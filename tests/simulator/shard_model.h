// What one shard must have counted, must hold and may answer, by the definitions: of versions,
// rounds, backup workers, the bound on staleness and averages. Written apart from src/server, and
// as plainly as possible; the checker compares the two after each message.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "wire/parameters.h"

namespace sluice::simulator {

struct Rules {
  bool rounds = false;
  int64_t backups = 0;                   // workers that a round does not wait for
  int64_t pushes = 0;                    // of the job: the last of them ends the last round
  std::optional<double> ema_momentum{};  // of the averages, where some are kept
};

class ShardModel {
 public:
  ShardModel(const Rules& rules, size_t size) : rules_(rules), values_(size), kept_(size) {}

  void set_gate(const wire::Gate& gate);
  // It is at another server now: who trains is what that knew of another shard of its own, and some
  // server's floor was that.
  void go_on_with(const ShardModel& other, int64_t floor);
  // Whether a push that is counted now must be dropped.
  bool must_supersede(const wire::PushHeader& header) const;
  // `update`: empty where the push has none for the shard.
  void apply(const wire::PushHeader& header, std::span<const float> update);
  void supersede(const wire::PushHeader& header);
  void repeat(const wire::PushHeader& header);
  // Whether the answer to a push that was counted may be sent.
  bool may_answer(const wire::PushHeader& header) const;
  // A push that it has not counted yet belongs to a round that has ended.
  bool is_late(const wire::PushHeader& header) const { return header.clock <= floor_; }
  bool trains(int64_t member) const { return clocks_.contains(member); }

  int64_t floor() const { return floor_; }
  int64_t values_version() const { return values_version_; }
  const std::vector<float>& values() const { return values_; }
  const std::vector<double>& averages() const { return averages_; }

 private:
  void advance(const wire::PushHeader& header);
  void raise_floor();
  void step();

  const Rules rules_;
  std::vector<float> values_;
  std::vector<float> kept_;  // the sum of the pushes of the open round
  std::vector<double> averages_;
  int64_t kept_pushes_ = 0, kept_steps_ = 0;
  int64_t applied_ = 0, superseded_ = 0, values_version_ = 0;
  int64_t generation_ = 0, max_staleness_ = -1;
  std::map<int64_t, int64_t> clocks_;  // of who trains, by member; -1: has not pushed yet
  int64_t floor_ = 0, stepped_ = 0;
};

}  // namespace sluice::simulator
