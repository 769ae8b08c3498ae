#include "transport/inproc/network.h"

#include <fmt/core.h>

#include <exception>
#include <vector>

namespace sluice::transport {
namespace {

// What wire::Listener grants to calls that a service has not answered.
constexpr core::Duration kGrace = std::chrono::milliseconds(500);

Status late(const std::string& name, core::Duration timeout) {
  return deadline_exceeded(
      fmt::format("{} did not answer within {:.1f} s", name, core::to_seconds(timeout)));
}

}  // namespace

InprocNetwork::InprocNetwork(core::World& world)
    : world_(world), strand_(world.make_strand("inproc")) {}

Result<std::string> InprocNetwork::take(const std::string& name) {
  std::lock_guard lock(mutex_);
  std::string taken = name;
  for (int i = 1; taken.empty() || (name.empty() && listening_.contains(taken)); ++i) {
    taken = fmt::format("inproc-{}", i);
  }
  if (listening_.contains(taken)) {
    return unavailable(fmt::format(
        "cannot listen on {}: the name is in use; choose another, or none for any", taken));
  }
  listening_[taken].id = ++last_id_;
  return taken;
}

void InprocNetwork::serve(const std::string& name, const InprocService& service) {
  std::lock_guard lock(mutex_);
  Listening& listening = listening_.at(name);
  listening.service = service;
  listening.serving = true;
  for (const auto& [id, call] : calls_) {
    if (call->name_ != name || call->listener_ != 0) continue;
    strand_->post([network = weak_from_this(), id = id] {
      if (const auto self = network.lock()) self->enter_waiting(id);
    });
  }
}

void InprocNetwork::remove(const std::string& name) {
  Lock lock(mutex_);
  Listening& listening = listening_.at(name);
  listening.serving = false;
  changed_.wait(lock, [&] { return listening.inside == 0; });
  const uint64_t id = listening.id;
  listening_.erase(name);
  strand_->at(world_.now() + kGrace, [network = weak_from_this(), id, name] {
    const auto self = network.lock();
    if (self) self->cut_off(id, unavailable(name + " broke off the call (it is going away)"));
  });
}

uint64_t InprocNetwork::add_channel() {
  std::lock_guard lock(mutex_);
  return ++last_id_;
}

void InprocNetwork::start(uint64_t channel, const std::shared_ptr<InprocCall>& call) {
  Lock lock(mutex_);
  call->id_ = ++last_id_;
  call->channel_ = channel;
  call->deadline_ = world_.now() + core::bounded(call->timeout_);
  calls_.emplace(call->id_, call);
  const auto listening = listening_.find(call->name_);
  if (listening != listening_.end() && listening->second.serving) {
    enter(lock, call, listening->second);
  } else {
    set_timer(*call);
  }
}

void InprocNetwork::enter_waiting(uint64_t id) {
  Lock lock(mutex_);
  const auto found = calls_.find(id);
  if (found == calls_.end() || found->second->answering_ || found->second->listener_ != 0) return;
  const std::shared_ptr<InprocCall> call = found->second;
  const auto listening = listening_.find(call->name_);
  if (listening == listening_.end() || !listening->second.serving) return;  // waits for the next
  enter(lock, call, listening->second);
}

void InprocNetwork::enter(Lock& lock, const std::shared_ptr<InprocCall>& call,
                          Listening& listening) {
  call->listener_ = listening.id;
  ++listening.inside;  // so that it stays
  lock.unlock();
  try {
    call->enter(listening.service);
  } catch (const std::exception& error) {
    if (claim(*call)) {
      call->fail(internal_error(error.what()));
      ended(*call);
    }
  }
  lock.lock();
  --listening.inside;
  changed_.notify_all();
  if (!call->answering_ && call->timer_ == 0) set_timer(*call);
}

void InprocNetwork::set_timer(InprocCall& call) {
  call.timer_ = strand_->at(call.deadline_, [network = weak_from_this(), id = call.id_] {
    if (const auto self = network.lock()) self->expire(id);
  });
}

void InprocNetwork::expire(uint64_t id) {
  std::shared_ptr<InprocCall> call;
  {
    std::lock_guard lock(mutex_);
    const auto found = calls_.find(id);
    if (found == calls_.end()) return;
    call = found->second;
    if (call->answering_) return;
    call->answering_ = std::this_thread::get_id();
  }
  const double waited = core::to_seconds(call->timeout_);
  call->fail(call->listener_ == 0 ? unavailable(fmt::format("nobody listens at {}: waited {:.1f} s",
                                                            call->name_, waited))
                                  : late(call->name_, call->timeout_));
  ended(*call);
}

void InprocNetwork::cut_off(uint64_t listener, const Status& why) {
  end_calls([&](const InprocCall& call) { return call.listener_ == listener; }, why);
}

void InprocNetwork::cut(uint64_t channel, const Status& why) {
  end_calls([&](const InprocCall& call) { return call.channel_ == channel; }, why);
}

void InprocNetwork::close(uint64_t channel, const Status& why) {
  for (;;) {
    cut(channel, why);  // again: an answer may start another call
    Lock lock(mutex_);
    if (!has_calls(lock, channel)) return;
    changed_.wait(lock);
  }
}

bool InprocNetwork::has_calls(const Lock&, uint64_t channel) const {
  for (const auto& [id, call] : calls_) {
    if (call->channel_ == channel && call->answering_ != std::this_thread::get_id()) return true;
  }
  return false;
}

template <typename Matches>
void InprocNetwork::end_calls(Matches matches, const Status& why) {
  std::vector<std::shared_ptr<InprocCall>> ended_here;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [id, call] : calls_) {
      if (call->answering_ || !matches(*call)) continue;
      call->answering_ = std::this_thread::get_id();
      ended_here.push_back(call);
    }
  }
  for (const auto& call : ended_here) {
    call->fail(why);
    ended(*call);
  }
}

std::optional<Status> InprocNetwork::claim(InprocCall& call) {
  std::lock_guard lock(mutex_);
  if (call.answering_) return std::nullopt;
  call.answering_ = std::this_thread::get_id();
  if (world_.now() <= call.deadline_) return ok_status();
  return late(call.name_, call.timeout_);
}

void InprocNetwork::ended(InprocCall& call) {
  std::shared_ptr<InprocCall> last;  // goes without the lock
  std::lock_guard lock(mutex_);
  if (call.timer_ != 0) strand_->cancel(call.timer_);
  const auto found = calls_.find(call.id_);
  last = std::move(found->second);
  calls_.erase(found);
  changed_.notify_all();
}

}  // namespace sluice::transport
