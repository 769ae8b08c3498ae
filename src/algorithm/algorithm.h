// The algorithms that there are (sluice/algorithm.h), by name, and one with its options.
//
// One file per algorithm holds both halves and its options; algorithm.cc lists them. To add one: a
// source in this folder, and a line there. To add a hyperparameter to one: its file alone.
//
// Letters, in all of them: W window, t steps trained of a partition (counted over all its epochs,
// never reset), theta the replica's parameters, theta~ the servers' (the centre).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "algorithm/moving_average.h"
#include "sluice/algorithm.h"
#include "sluice/optimizers.h"

namespace sluice::algorithm {

// As people are shown them, those that a program has registered last.
std::vector<const Algorithm*> algorithms();
// In any letter case, with "-" or "_": "dc-asgd". Throws std::invalid_argument, with the names that
// there are, for one that there is not.
const Algorithm& find_algorithm(const std::string& name);
std::vector<std::string> algorithm_names();
// In lower case, with "_" for "-".
std::string normalized_name(std::string name);

// An option and the algorithms that have it.
struct SharedOption {
  OptionSpec spec;  // as the first of them has it
  std::vector<std::string> algorithms;
  // Of each its default, in the same order.
  std::vector<OptionValue> fallbacks;
};
// Every option that some algorithm has, once, in the order of the algorithms.
std::vector<SharedOption> all_options();

// An algorithm with its options, and the job's optimizer: what a job is told of it, and what
// crosses the wire. {"name": "adag", "window": 5, "overlap": false}; servers get "optimizer"
// and the ranges of "untrained" and "undecayed" parameters besides, [[offset, size], ...].
struct Choice {
  Choice() : Choice("adag") {}
  Choice(const char* name) : Choice(std::string(name)) {}  // NOLINT: meant to be implicit
  Choice(const std::string& name)                          // NOLINT: meant to be implicit
      : algorithm(&find_algorithm(name)), options(algorithm->options) {}

  const Algorithm* algorithm;
  Options options;

  const char* name() const { return algorithm->name; }
  Choice& set(const std::string& option, const OptionValue& value) {
    options.set(option, value);
    return *this;
  }
  std::unique_ptr<WorkerRule> worker_rule() const { return algorithm->worker(options); }
  // Whether a push may be under way while the next window is trained.
  bool overlaps() const;
  // What a worker's replica steps with, given the job's optimizer. Throws std::invalid_argument for
  // one that the algorithm does not take.
  OptimizerSpec worker_optimizer(const OptimizerSpec& optimizer) const;
  // How far so many workers move the servers at once; see gain.h.
  Gain gain() const { return algorithm->gain ? algorithm->gain(options) : Gain{}; }
  // c: what the learning rate is multiplied by at first for so many workers; see gain.h.
  double rate_scale(int workers) const;
  std::string to_json() const;
  // For CreateRequest::update_rule. `untrained` and, of what weight decay leaves out, `undecayed`
  // are in order and apart.
  std::string to_update_rule(const OptimizerSpec& optimizer,
                             const std::vector<ParameterRange>& untrained = {},
                             const std::vector<ParameterRange>& undecayed = {}) const;
  // Throws std::invalid_argument.
  static Choice from_json(const std::string& text);

  friend bool operator==(const Choice&, const Choice&) = default;
};

// What a shard does with a push.
struct ShardRule {
  std::unique_ptr<UpdateRule> update;
  std::optional<MovingAverage> average{};  // where the job's optimizer has use_ema
  const Algorithm* algorithm = nullptr;
  int64_t backups = 0;  // workers that a round does not wait for
};
// What to_update_rule() describes, for a shard that begins at float `shard_offset` of the
// parameters. Throws std::invalid_argument for text that describes none; size 0 checks the text at
// no cost.
ShardRule make_shard_rule(const std::string& text, size_t shard_size, size_t shard_offset = 0);

}  // namespace sluice::algorithm
