// How a job is getting on: one moment of it, as `sluice status` shows it and docs/status.md tells
// it. Made by the driver on its strand; JSON on the wire, with the names of the fields below.
//
// Times are in seconds before that moment, so that clocks need not agree. -1: not known, or none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sluice/status.h"
#include "wire/traffic.h"

namespace sluice::driver {

struct JobStatus {
  struct Job {
    std::string number;  // what its members name it by
    // "waiting for servers", "training", "paused", "stopping", "reading the result", "done",
    // "failed", "stopped"
    std::string phase;
    std::string dataset, model, trainer, optimizer;  // by name; empty: not known
    std::string host;                                // the driver's
    int64_t pid = 0;
    int64_t parameters = 0;
    int64_t records = 0;  // that an epoch trains
    int64_t epochs = 0;
    int64_t batch_size = 0;
    int64_t partitions = 0;
    int64_t servers = 0, workers = 0;  // that were asked for
    double running_s = 0;
    double training_s = -1;  // since the first lease
    int64_t samples = 0;     // trained and pushed, over all epochs
    int64_t total_samples = 0;
    int64_t updates = 0;  // of the ledger server
    int64_t total_updates = 0;
  };
  // For whom the job waits; nobody: an empty `whom`.
  struct Wait {
    std::string whom;
    double for_s = 0;
    double given_up_in_s = -1;
    std::string advice;
  };
  // A living member.
  struct Member {
    std::string role{};  // "server", "worker"
    int64_t index = 0;
    std::string host{};
    int64_t pid = 0;
    std::string container{};  // or pod; empty: none, or not known
    std::string address{};    // servers: where they are reached
    // "training", "waiting", "paused", "idle" (workers without a lease), "starting" (that
    // have not asked for one yet), "serving", "silent"
    std::string state{};
    double joined_s = 0;
    double heard_s = 0;
    double progress_s = 0;      // workers: since something was last got done
    std::string waiting_for{};  // as it said
    double waiting_s = -1;      // for the same
    int64_t cores = 0;          // workers: that its threads may use; 0: not known
    std::string gpu{};          // workers: the UUID of the one it was given
    int64_t peak_memory_bytes = 0;
    std::vector<wire::Traffic> traffic{};  // workers: with each server
  };
  // The right of a worker to train an interval of a partition's pushes.
  struct Lease {
    int64_t partition = 0;
    int64_t worker = 0;
    int64_t first_push = 0, last_push = 0;  // the interval
    int64_t step = 0;                       // trained of it, pushed or not
    int64_t steps = 0;                      // that it has
    double held_s = 0;
  };
  // Who waits for whom at the servers; see server/gate.h.
  struct Gate {
    struct Worker {
      int64_t worker = 0;
      int64_t windows = -1;       // that it has pushed; -1: none yet, and nobody waits for it
      double answer_held_s = -1;  // for how long its answer has been held; -1: it is not
    };
    int64_t max_staleness = -1;   // windows that one may be ahead of the slowest; -1: any number
    bool rounds = false;          // pushes are collected, and answered when all have pushed
    int64_t backup_workers = 0;   // that a round does not wait for
    int64_t floor = 0;            // windows of the slowest that is waited for
    std::string slowest;          // "worker 3": for whom answers are held; empty: none are
    int64_t superseded = 0;       // updates that came when their round had ended
    std::vector<Worker> workers;  // that train at the moment
  };
  // How far the workers move the servers at once; see sluice/algorithm/gain.h.
  struct Gain {
    double per_worker = 0;  // 0: never above 1, whatever the workers
    int64_t workers = 0;    // M, that train at the moment
    double value = 0;       // per_worker M
    bool bounded = true;    // false: the rule as published
    double scale = 1;       // of pushes, in force
  };
  // A server's shards, as its ledger was last read.
  struct Server {
    int64_t server = 0;
    std::string address{};
    int64_t shards = 0;
    int64_t version = 0;                       // pushes counted
    int64_t duplicates = 0;                    // pushes that came again
    int64_t fenced = 0;                        // pushes refused: the worker had lost its lease
    double staleness_mean = 0;                 // versions, over all applied pushes
    int64_t staleness_max = 0;
    double update_seconds = 0;  // spent applying pushes
  };
  // Over the last seconds of the training.
  struct Rates {
    double over_s = 0;  // 0: nothing is known yet
    double samples_per_s = 0;
    double updates_per_s = 0;
    double pushed_bytes_per_s = 0;  // of values that were applied; as many come back
  };
  struct Epoch {
    int64_t epoch = 0;  // from 1
    int64_t samples = 0;
    int64_t records = 0;
    double loss = 0;  // mean of what is trained of it so far
  };
  struct Knob {
    std::string name, value, help;
  };
  // Something that people have changed.
  struct Change {
    std::string knob, from, to, by;
    double ago_s = 0;
  };

  // Shards have gone to other servers.
  struct Move {
    int64_t from = 0, to = 0;  // servers
    int64_t bytes = 0;         // of parameters that are at another since
    double held_s = 0;         // for which pushes may have been held, at most
    double ago_s = 0;
  };

  std::string version;  // of Sluice
  Job job;
  Wait waits;
  std::vector<Member> members;
  std::vector<Lease> leases;
  Gate gate;
  Gain gain;
  std::vector<Server> servers;
  Rates rates;
  std::vector<Epoch> epochs;
  std::vector<Knob> knobs;
  std::vector<Change> changes;
  std::vector<Move> moves;
};

std::string to_json(const JobStatus& status);
// Of this or another version: what is missing keeps its default, what is not known is passed over.
// INVALID_ARGUMENT: it is no status.
Result<JobStatus> parse_job_status(const std::string& json);

}  // namespace sluice::driver
