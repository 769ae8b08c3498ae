#include "client/member.h"

#include <algorithm>
#include <utility>

#include "core/log.h"

namespace sluice::client {
Member::Member(core::World& world, std::shared_ptr<core::Strand> strand,
               std::shared_ptr<wire::ControlChannel> driver, wire::JoinRequest request,
               core::Duration join_timeout, MemberEvents events)
    : world_(world),
      strand_(strand),
      driver_(std::move(driver)),
      request_(std::move(request)),
      events_(std::move(events)),
      machine_(driver_->address(), join_timeout, world.unique_number()),
      alarm_(std::move(strand)),
      lifetime_(std::in_place) {
  request_.process = world.process();
}

void Member::start() {
  request_.attempt = world_.unique_number();
  act(machine_.start(world_.now()));
}

void Member::leave(Status why, core::Duration goodbye) {
  goodbye_ = goodbye;
  act(machine_.leave(std::move(why)));
}

void Member::leave_drained(Status why) {
  drained_ = true;
  leave(std::move(why));
}

void Member::rejoin(const Status& why) { act(machine_.unknown(why, world_.now())); }

void Member::hold(const wire::Lease& lease, int64_t parameters) {
  lease_ = lease;
  parameters_ = std::max(parameters_, parameters);
  holds_ = true;
  step_ = 0;
}

void Member::release() { holds_ = false; }

void Member::set_waiting_for(std::string whom) {
  std::lock_guard lock(mutex_);
  waiting_for_ = std::move(whom);
}

// The owner hears of it last: it may ask for the next thing at once, or destroy this.
void Member::act(MembershipMachine::Actions actions) {
  if (!actions.say.empty()) SLUICE_LOG(warn, "{}", actions.say);
  if (actions.lost || actions.lease_lost) holds_ = false;
  if (actions.lost) request_.attempt = world_.unique_number();
  if (actions.lost) {  // another driver counts anew
    knobs_ = 0;
    parameters_ = -1;
  }
  if (actions.knobs) knobs_ = actions.knobs->revision;
  if (actions.parameters) parameters_ = actions.parameters->revision;
  if (actions.lost && events_.before_rejoin) events_.before_rejoin();
  if (actions.join) send_join(*actions.join);
  if (actions.heartbeat) send_heartbeat(*actions.heartbeat);
  if (actions.leave) send_leave(*actions.leave);
  if (actions.wake) alarm_.set(*actions.wake, [this] { act(machine_.time(world_.now())); });
  if (actions.knobs && events_.on_knobs) events_.on_knobs(*actions.knobs);
  if (actions.parameters && events_.on_moved) events_.on_moved(*actions.parameters);
  if (actions.lost) return events_.on_lost();
  if (actions.lease_lost) return events_.on_lease_lost();
  if (actions.lease_cut > 0 && events_.on_lease_cut) return events_.on_lease_cut(actions.lease_cut);
  if (!actions.drain.empty() && events_.on_drain) return events_.on_drain(actions.drain);
  if (actions.end) end(actions.ending, *std::move(actions.end));
}

void Member::end(Ending ending, Status why) {
  ending_ = drained_ && told_ && ending == Ending::kAborted ? Ending::kDrained : ending;
  alarm_.clear();
  lifetime_.reset();
  const auto on_end = events_.on_end;  // this may be destroyed in it
  on_end(std::move(why));
}

void Member::send_join(core::Duration timeout) {
  driver_->join(request_, {timeout}, lifetime_->on(strand_, [this](Result<wire::JoinReply> reply) {
    join_answered(std::move(reply));
  }));
}

void Member::join_answered(Result<wire::JoinReply> reply) {
  if (!reply.ok()) return act(machine_.join_answered(reply.status(), world_.now()));
  joined_ = *std::move(reply);
  const auto spec = wire::parse_training_spec(joined_.job_spec);
  interval_ = spec.ok() ? spec->heartbeat_interval : HeartbeatTimes{}.interval;
  const HeartbeatTimes times{interval_,
                             spec.ok() ? spec->driver_timeout : HeartbeatTimes{}.give_up_after};
  act(machine_.join_answered(MembershipMachine::Joined{joined_.member, times}, world_.now()));
  if (!spec.ok()) return leave(spec.status());
  events_.on_joined(joined_, *spec);
}

void Member::send_heartbeat(core::Duration timeout) {
  wire::HeartbeatRequest request;
  request.job = joined_.job;
  request.member = joined_.member;
  if (holds_) {
    request.partition = lease_.partition;
    request.incarnation = lease_.incarnation;
    request.last = lease_.last;
  }
  request.step = step_.load(std::memory_order_relaxed);
  request.activity = activity_.load(std::memory_order_relaxed);
  {
    std::lock_guard lock(mutex_);
    request.waiting_for = waiting_for_;
  }
  request.peak_memory_bytes = world_.peak_memory_bytes();
  request.hold = interval_;
  request.knobs = knobs_;
  request.parameters = parameters_;
  if (traffic_) request.traffic = traffic_->all();
  driver_->heartbeat(
      request, {timeout},
      lifetime_->on(
          strand_, [this, member = request.member, partition = request.partition,
                    incarnation = request.incarnation](Result<wire::HeartbeatReply> reply) {
            if (member != joined_.member) return;  // of an earlier membership
            const bool held =
                holds_ && lease_.partition == partition && lease_.incarnation == incarnation;
            const bool cut = held && reply.ok() && reply->last > 0 && reply->last < lease_.last;
            if (cut) lease_.last = reply->last;  // before the next heartbeat is sent
            act(machine_.heartbeat_answered(reply, {held, cut, holds_ && !held}, world_.now()));
          }));
}

void Member::send_leave(const Status& why) {
  told_ = true;
  driver_->leave({joined_.job, joined_.member, why, drained_}, {goodbye_},
                 lifetime_->on(strand_, [this](const Status& left) {
                   if (!left.ok()) SLUICE_LOG(debug, "leaving: {}", left.message());
                   act(machine_.left(left));
                 }));
}

}  // namespace sluice::client
