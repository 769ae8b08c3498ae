// What happens in a job, as it happens: one stream of events for the log, the progress line, the
// report and other observers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/clock.h"
#include "core/world.h"
#include "sluice/status.h"
#include "wire/control.h"
#include "wire/parameters.h"

namespace sluice::driver {

// "server", "worker".
const char* to_text(wire::Role role);

// Which process something happened to.
struct MemberName {
  wire::Role role = wire::Role::kWorker;
  int index = 0;
  core::ProcessFacts process;

  std::string to_string() const;  // "worker 2 (pid 4711 on hosta)"
};

struct MemberJoined {
  MemberName who;
  std::string address;  // servers: where the data plane listens
};

// A server is not reached at the address that it gave, but at another.
struct ServerFound {
  MemberName who;
  std::string announced;
  std::string address;  // where it is
  std::string why;      // not at the other
};

// A process that asked to become a member and may not.
struct JoinRefused {
  wire::Role role = wire::Role::kWorker;
  core::ProcessFacts process;
  Status why;
};

struct MemberEnded {
  enum class How {
    kLeft,     // as it should
    kDrained,  // it was asked to make room, and has: it needs no replacement
    kRefused,  // it cannot do the job: it lacks the precision, a layer, ...
    kGaveUp,   // it said why
    kDied,     // its launcher saw it end, or it was replaced
    kUnheard,  // no heartbeat for the lease timeout
    kStuck,    // heartbeats, but nothing done for the stall timeout
  };
  MemberName who;
  How how = How::kLeft;
  std::string fate;        // "left", "was killed by signal 9 (Killed)", ...
  int64_t partition = -1;  // goes back to the queue
};

struct LeaseGranted {
  MemberName who;
  wire::Lease lease;
};

struct LeaseFinished {
  MemberName who;
  int64_t partition = 0;
  int64_t last = 0;  // push that was made under it
};

// What `holder` has of a partition from push `first` on goes to `taker`, who has nothing to do.
struct LeaseCut {
  MemberName holder, taker;
  int64_t partition = 0;
  int64_t first = 0, last = 0;
};

// At the end of an epoch: this worker is much slower than the others.
struct Straggler {
  MemberName who;
  int epoch = 0;            // from 0
  double times_slower = 1;  // than the median of the others
  int64_t given = 0;        // pushes of its leases that others made, in this epoch
};

// So many workers are wanted from now on: whoever starts them starts more, or drains some.
struct WorkersWanted {
  int workers = 0;
};

// So many servers are wanted from now on: whoever starts them starts those that are missing. Those
// that are too many leave by themselves, when they have given their shards to others.
struct ServersWanted {
  int servers = 0;
};
// There are not so many after all.
struct ServersKept {
  int servers = 0, wanted = 0;
  std::string why;
};
// Shards have gone to other servers.
struct ServersChanged {
  int from = 0, to = 0;
  int64_t bytes = 0;  // of parameters that are at another server now
  double held_s = 0;  // for which pushes may have been held, at most
};
// "servers: 3, before 2; 1.4 MB of the parameters are at another now, for which pushes were held
// for 0.012 s at most".
std::string to_text(const ServersChanged& change);

// Workers have come or gone, and with them the scale of pushes has changed
// (sluice/algorithm/gain.h).
struct GainChanged {
  int workers = 0;   // that train now
  double gain = 0;   // of so many
  double scale = 1;  // of pushes
};
// "gain: 30 workers would move the servers 6.0 times as far at once as one worker's step; pushes
// are scaled by 0.167".
std::string to_text(const GainChanged& change);

// For whom the job waits has changed; an empty `whom`: it goes on.
struct WaitsFor {
  std::string whom;
  core::TimePoint since{};                 // when that began
  // Of the first that is named and is given up at some time, or else of the first: when that is,
  // when it was last heard of, and its process.
  std::optional<core::TimePoint> until{};
  std::optional<core::TimePoint> seen{};
  std::string where{};
  std::string advice{};                    // what people can do
};
// "waiting 10 s for worker 2 of 3, which has not been heard of for some seconds (last seen 12 s
// ago: pid 4711 on hosta; given up in 18 s)", "waiting 10 s for 1 of 3 worker(s) to join (given up
// in 290 s); start it with: sluice worker --driver hosta:7070". Empty when it goes on.
std::string to_text(const WaitsFor& waits, core::TimePoint now);

// People have changed something of the job while it runs.
struct JobChanged {
  std::string knob;  // driver/knobs.h, or kPaused
  std::string from, to;
  std::string by;  // "sluice ctl (pid 4711 on hosta)"
};
inline constexpr const char* kPaused = "paused";  // "yes" and "no"
// "learning-rate: 0.0005, before 0.001, by sluice ctl (pid 4711 on hosta)".
std::string to_text(const JobChanged& change);

struct TrainingStarted {};

struct WorkerProgress {
  int index = 0;
  int64_t partition = -1;
  int64_t step = 0;
  std::string waiting_for;
};

// What has been pushed so far; some five times a second.
struct Progress {
  double elapsed_s = 0;
  int64_t samples = 0;  // trained and pushed, over all epochs
  int64_t total_samples = 0;
  int64_t updates = 0;
  std::vector<wire::EpochMetrics> epochs;  // by epoch
  std::vector<WorkerProgress> workers;     // the living
};

// Every record of the epoch is trained and pushed.
struct EpochEnded {
  wire::EpochMetrics metrics;
};

// The job is asked to end before all is trained: workers leave when their pushes have ended. Who
// ends from now on needs no replacement.
struct JobStopping {
  std::string why;
};

// The job ends; members that end from now on need no replacement. OK: everything is trained.
struct JobEnding {
  Status why;
};

struct JobEvent {
  core::TimePoint at;
  std::variant<MemberJoined, ServerFound, JoinRefused, MemberEnded, LeaseGranted, LeaseFinished,
               LeaseCut, Straggler, WorkersWanted, ServersWanted, ServersKept, ServersChanged,
               GainChanged, WaitsFor, JobChanged, TrainingStarted, Progress, EpochEnded,
               JobStopping, JobEnding>
      what;
};

// One line for people: "worker 1 (pid 4711 on hosta) was killed by signal 9 (Killed): partition 2
// goes back to the queue". Empty for what comes too often for a log.
std::string to_text(const JobEvent& event);

// Called on the driver's own strand: must return at once.
class JobObserver {
 public:
  virtual ~JobObserver() = default;
  virtual void on_event(const JobEvent& /*event*/) {}
};

}  // namespace sluice::driver
