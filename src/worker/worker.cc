#include "worker/worker.h"

#include <fmt/core.h>

#include <future>
#include <utility>

#include "core/log.h"
#include "core/version.h"

namespace sluice::worker {
namespace {

wire::JoinRequest join_request(const WorkerOptions& options) {
  wire::JoinRequest request;
  request.role = wire::Role::kWorker;
  request.version = core::version();
  request.preferred_index = options.preferred_index;
  request.cores = options.cores.pools;
  request.gpus = options.gpus;
  return request;
}

}  // namespace

Worker::Worker(core::World& world, wire::Transport& transport, WorkerOptions options,
               WorkerParts parts, std::function<void(Status)> on_end)
    : world_(world),
      transport_(transport),
      options_(std::move(options)),
      parts_(std::move(parts)),
      on_end_(std::move(on_end)),
      network_(world.make_strand("network")),
      training_(world.make_strand("training")),
      driver_(transport.connect_control(options_.driver)),
      member_(world, network_, driver_, join_request(options_), options_.join_timeout,
              member_events()),
      acquire_(world, network_, [this](const std::string& whom) { member_.set_waiting_for(whom); }),
      finish_(world, network_, [this](const std::string& whom) { member_.set_waiting_for(whom); }),
      alarm_(network_) {}

Worker::~Worker() {
  network_->close();
  training_->post([session = std::move(session_)]() mutable { session = nullptr; });
  training_->close();
}

void Worker::start() {
  network_->post([this] {
    SLUICE_LOG(info, "{}: joining the driver at {}", core::to_text(world_.process()),
               options_.driver);
    member_.start();
  });
}

void Worker::stop(const std::string& reason) {
  network_->post([this, reason] { act(machine_.stop(reason, world_.now())); });
}

void Worker::drain(const std::string& reason) {
  network_->post([this, reason] { act(machine_.drain(reason, world_.now())); });
}

client::MemberEvents Worker::member_events() {
  return {
      .on_joined = [this](const wire::JoinReply& reply,
                          const wire::TrainingSpec& spec) { joined(reply, spec); },
      .on_lost = [this] { act(machine_.membership_lost()); },
      .on_lease_lost = [this] { act(machine_.lease_lost()); },
      .on_lease_cut = [this](int64_t last) { act(machine_.lease_cut(last)); },
      .on_drain = [this](const std::string& reason) { act(machine_.stop(reason, world_.now())); },
      .on_knobs = [this](const wire::Knobs& knobs) { set_knobs(knobs); },
      .on_moved = [this](const wire::Placement& placement) { follow(placement); },
      .on_end = [this](Status why) { ended(std::move(why)); }};
}

void Worker::joined(const wire::JoinReply& reply, const wire::TrainingSpec& spec) {
  log::set_role(fmt::format("worker {}", reply.index));
  spec_ = spec;
  knobs_ = {};  // heartbeats tell those of the job
  placement_.reset();
  traffic_ = std::make_shared<client::TrafficMeter>();
  member_.set_traffic(traffic_);
  act(machine_.joined());
}

void Worker::ended(Status why) {
  if (why.ok()) SLUICE_LOG(info, "the job is over");
  act(machine_.ended());
  on_end_(std::move(why));
}

// What ends a membership comes last: the machine may hear of it at once.
void Worker::act(LeaseMachine::Actions actions) {
  if (!actions.say.empty()) SLUICE_LOG(warn, "{}", actions.say);
  if (actions.waiting_for) set_waiting_for(*actions.waiting_for);
  if (actions.cancel) cancel();
  if (actions.drain) {
    training_->post([session = session_] { session->drain(); });
  }
  if (actions.cut > 0) {
    training_->post([session = session_, last = actions.cut] { session->cut(last); });
  }
  if (actions.wake) {
    alarm_.set(*actions.wake, [this] { act(machine_.time(world_.now())); });
  }
  begin(actions.begin);
  if (actions.unknown) member_.rejoin(*actions.unknown);
  if (!actions.leave) return;
  if (actions.drained) return member_.leave_drained(*std::move(actions.leave));
  member_.leave(*std::move(actions.leave));
}

void Worker::begin(LeaseMachine::Step step) {
  switch (step) {
    case LeaseMachine::Step::kNone:
      return;
    case LeaseMachine::Step::kPrepare:
      return prepare();
    case LeaseMachine::Step::kAcquire:
      return acquire();
    case LeaseMachine::Step::kOpen:
      return open();
    case LeaseMachine::Step::kTrain:
      return train();
    case LeaseMachine::Step::kFinish:
      return finish();
  }
}

void Worker::cancel() {
  acquire_.stop();
  finish_.stop();
  alarm_.clear();
  if (!session_) return;
  training_->post([session = session_] { session->cancel(); });
}

void Worker::set_waiting_for(const std::string& whom) {
  if (!whom.empty()) SLUICE_LOG(info, "waiting for {}", whom);
  member_.set_waiting_for(whom);
}

void Worker::set_knobs(const wire::Knobs& knobs) {
  knobs_ = knobs;
  if (!session_) return;
  training_->post([session = session_, knobs] { session->set_knobs(knobs); });
}

// What a lease is granted with later says so, too.
void Worker::follow(const wire::Placement& placement) {
  placement_ = placement;
  if (!session_) return;
  training_->post([session = session_, placement] { session->follow(placement); });
}

// For events of the training's strand: `event` makes the machine's actions.
template <typename Event>
auto Worker::on_network(Event event) {
  return [this, event = std::move(event)](Status status) {
    network_->post([this, event, status = std::move(status)] { act(event(status)); });
  };
}

SessionParts Worker::session_parts() {
  return {.world = world_,
          .transport = transport_,
          .strand = training_,
          .timers = network_,
          .driver = driver_,
          .open_backend = parts_.open_backend,
          .cores = options_.cores,
          .got_on = [this] { member_.got_on(); },
          .on_step = [this](int64_t step) { member_.set_step(step); },
          .waiting_for = [this](const std::string& whom) { member_.set_waiting_for(whom); },
          .traffic = traffic_};
}

// A session of an earlier membership gives its device back before the next one takes it.
void Worker::prepare() {
  training_->post([earlier = std::move(session_)]() mutable { earlier = nullptr; });
  session_ = std::make_shared<Session>(session_parts(), member_.joined(), spec_, options_.device);
  training_->post([session = session_, knobs = knobs_, placement = placement_,
                   done = on_network([this](const Status& status) {
                     return machine_.prepared(status);
                   })]() mutable {
    session->set_knobs(knobs);
    const Status prepared = session->prepare();
    if (prepared.ok() && placement) session->follow(*placement);
    done(prepared);
  });
}

void Worker::acquire() {
  member_.release();
  const wire::JoinReply& joined = member_.joined();
  acquire_.start(
      "the driver at " + options_.driver, patience(),
      [this, request = wire::AcquireRequest{joined.job, joined.member}](
          const wire::CallOptions& options, core::Reply<Result<wire::AcquireReply>> reply) {
        driver_->acquire(request, options, std::move(reply));
      },
      [this](const Result<wire::AcquireReply>& reply) {
        act(machine_.acquired(reply, world_.now()));
      });
}

void Worker::open() {
  const wire::AcquireReply& granted = machine_.granted();
  member_.hold(granted.lease, granted.parameters.revision);
  training_->post(
      [session = session_, granted, done = on_network([this](const Status& status) {
                                      return machine_.opened(status);
                                    })]() mutable { session->open(granted, std::move(done)); });
}

void Worker::train() {
  training_->post([this, session = session_]() {
    session->train(on_network([this](const Status& status) { return machine_.trained(status); }));
  });
}

void Worker::finish() {
  const wire::JoinReply& joined = member_.joined();
  const wire::Lease& lease = machine_.granted().lease;
  const wire::FinishRequest request{joined.job, joined.member, lease.partition, lease.incarnation,
                                    traffic_->all()};
  finish_.start(
      "the driver at " + options_.driver, patience(),
      [this, request](const wire::CallOptions& options, core::Reply<Status> reply) {
        driver_->finish(request, options, std::move(reply));
      },
      [this](const Status& status) { act(machine_.finished(status)); });
}

client::MemberEnd run_worker(core::World& world, wire::Transport& transport,
                             const WorkerOptions& options, client::StopRequest stop,
                             const std::function<void(const client::MemberEnd&)>& before_tidying) {
  std::promise<Status> ended;
  Worker worker(world, transport, options, {},
                [&ended](Status why) { ended.set_value(std::move(why)); });
  worker.start();
  const std::stop_callback on_stop(std::move(stop.token), [&] {
    stop.drains&& stop.drains() ? worker.drain(stop.reason()) : worker.stop(stop.reason());
  });
  Status why = ended.get_future().get();
  const client::MemberEnd end{worker.ending(), std::move(why)};
  if (before_tidying) before_tidying(end);
  return end;
}

}  // namespace sluice::worker
