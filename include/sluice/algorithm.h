// Algorithms: what workers push and when, and what servers do with it. A program adds its own:
//
//   const sluice::algorithm::Algorithm kMine{
//       .name = "mine",
//       .summary = "what it does, in half a sentence",
//       .options = kOptions,                 // "window" among them
//       .worker = [](const Options& options) { return std::make_unique<MyWorker>(options); },
//       .server = [](const Options& options, const OptimizerSpec&, const Shard& shard) {...},
//   };
//
//   int main(int argc, char** argv) {
//     sluice::algorithm::register_algorithm(kMine);
//     sluice::init(argc, argv);              // workers and servers run it too
//     ...
//     sluice::Trainer trainer("mine", {.workers = 3, .hyperparameters = {{"decay", 0.5}}});
//   }
//
// examples/custom_trainer has a whole one. Sluice's own are made in the same way: src/algorithm, a
// file for each. What a job guarantees holds for all of them: a push that a server has counted is
// applied once, whoever is killed.
#pragma once

#include <memory>
#include <span>

#include "sluice/algorithm/gain.h"
#include "sluice/algorithm/options.h"
#include "sluice/algorithm/shared_options.h"
#include "sluice/algorithm/update_rule.h"
#include "sluice/algorithm/worker_rule.h"
#include "sluice/optimizers.h"

namespace sluice::algorithm {

struct Algorithm {
  const char* name;     // "adag", as --trainer has it; words are joined by "_"
  const char* summary;  // half a sentence for people
  std::span<const OptionSpec> options;

  // Pushes are collected until all workers of a round have made theirs, and answered then. Where
  // there is an option "backup_workers", so many of the last are not waited for.
  bool rounds = false;
  // A push is answered with the values that it was applied to, not with those that came of it.
  bool answers_with_old = false;
  // The rule wants PushContext::base: a snapshot is kept for each worker.
  bool keeps_bases = false;
  // Pushes step the servers' values where they lie, several at once: of the rule apply() alone is
  // called, by several threads at a time; it keeps nothing, and does not throw. Not with use_ema.
  bool steps_in_place = false;
  // Each partition has parameters of its own: of P partitions, the p-th has the p-th of P equal
  // parts, which one worker at a time trains, and no push of another partition reaches them: see
  // Ensemble, whose combine() makes such models. Not with rounds, steps_in_place or use_ema.
  bool own_parameters = false;
  int most_workers = 0;  // 0: any number
  // By default; nullptr: the job's. Of algorithms that want another than others.
  const char* optimizer = nullptr;
  // What the workers step with, of the job's optimizer. Throws std::invalid_argument for one that
  // will not do. nullptr: the job's.
  OptimizerSpec (*worker_optimizer)(const Options& options, OptimizerSpec optimizer) = nullptr;
  // nullptr: never above 1.
  Gain (*gain)(const Options& options) = nullptr;

  // The worker's half.
  std::unique_ptr<WorkerRule> (*worker)(const Options& options) = nullptr;
  // The server's half, for one shard. `optimizer`: the job's, without use_ema, which is not the
  // rule's affair.
  std::unique_ptr<UpdateRule> (*server)(const Options& options, const OptimizerSpec& optimizer,
                                        const Shard& shard) = nullptr;
};

// Makes an algorithm known to this program under its name. Call it before init(), so that the
// processes which train() starts know it too. What `algorithm` points to (texts, options) must stay
// as it is until the program ends. Throws std::invalid_argument for a name that is taken or has
// other characters than a to z, 0 to 9 and "_", a half that is missing, properties that do not go
// together, or an option that makes no sense: without a name of such characters, given twice, or
// with a default that its own check refuses. May be called by several threads.
void register_algorithm(const Algorithm& algorithm);

}  // namespace sluice::algorithm
