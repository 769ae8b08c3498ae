// The worker role: joins a job, trains partition after partition, leaves.
//
// Two strands. The network's is never busy for long: heartbeats, calls to the driver, and the
// decisions of LeaseMachine. The training's opens devices, compiles, reads data and trains.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/member.h"
#include "client/persistent_call.h"
#include "core/cores.h"
#include "core/world.h"
#include "wire/transport.h"
#include "worker/lease_machine.h"
#include "worker/session.h"

namespace sluice::worker {

struct WorkerOptions {
  std::string driver;        // address
  int preferred_index = -1;  // "worker 2" when the launcher numbered its workers
  std::string device{};      // instead of the job's, unless empty
  core::Duration join_timeout = std::chrono::seconds(60);  // for the driver to be there
  core::UsableCores cores{};
  std::vector<std::string> gpus{};  // UUIDs of those that it sees; none: not known
};

// What a simulator replaces besides the world and the transport.
struct WorkerParts {
  OpenBackend open_backend = backend::open_backend;
};

class Worker {
 public:
  // `on_end`, once, on a strand of the worker, which must not be destroyed in it: OK, the job has
  // nothing left to train; CANCELLED, it was aborted, or stop() was called; or why this cannot go
  // on. The driver has been told, if it is there.
  Worker(core::World& world, wire::Transport& transport, WorkerOptions options, WorkerParts parts,
         std::function<void(Status)> on_end);
  // Returns when the step that is under way has ended.
  ~Worker();

  void start();
  // Leaves, as LeaseMachine::stop() does, for this reason. Thread-safe.
  void stop(const std::string& reason);
  // Likewise, as LeaseMachine::drain() does. Thread-safe.
  void drain(const std::string& reason);
  client::Ending ending() const { return member_.ending(); }  // in on_end and after

 private:
  client::MemberEvents member_events();
  void act(LeaseMachine::Actions actions);
  void begin(LeaseMachine::Step step);
  void cancel();
  void set_waiting_for(const std::string& whom);
  void set_knobs(const wire::Knobs& knobs);
  void follow(const wire::Placement& placement);
  void joined(const wire::JoinReply& reply, const wire::TrainingSpec& spec);
  void ended(Status why);

  void prepare();
  void acquire();
  void open();
  void train();
  void finish();
  SessionParts session_parts();
  client::RetryOptions patience() const { return {.give_up_after = spec_.driver_timeout}; }
  template <typename Event>
  auto on_network(Event event);

  core::World& world_;
  wire::Transport& transport_;
  const WorkerOptions options_;
  const WorkerParts parts_;
  const std::function<void(Status)> on_end_;
  const std::shared_ptr<core::Strand> network_, training_;

  // Used on the network's strand.
  const std::shared_ptr<wire::ControlChannel> driver_;
  client::Member member_;
  LeaseMachine machine_;
  wire::TrainingSpec spec_;
  std::optional<wire::Placement> placement_;  // as was told last
  wire::Knobs knobs_;  // in force
  std::shared_ptr<client::TrafficMeter> traffic_;  // of this membership
  client::PersistentCall<Result<wire::AcquireReply>> acquire_;
  client::PersistentCall<Status> finish_;
  core::Alarm alarm_;

  std::shared_ptr<Session> session_;  // used on the training's strand
};

// Blocks until a worker has ended, and returns how. `stop` makes it leave. `before_tidying` is told
// how first, while the step that is under way, if there is one, still runs.
client::MemberEnd run_worker(
    core::World& world, wire::Transport& transport, const WorkerOptions& options,
    client::StopRequest stop,
    const std::function<void(const client::MemberEnd&)>& before_tidying = {});

}  // namespace sluice::worker
