// A driver whose answers the test writes, as its members see it.
//
//   driver->joins.answer = [](const JoinRequest&) { return JoinReply{...}; };
//   driver->heartbeats.held.front()(HeartbeatReply{});  // without a function calls are held
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "wire/transport.h"

namespace sluice {

// The calls of one kind.
template <typename Request, typename Answer>
struct ScriptedCalls {
  ~ScriptedCalls() {  // as channels do: what is under way is cut off
    for (auto& reply : held) reply(cancelled("the channel closed"));
  }
  void call(const Request& request, const wire::CallOptions& options, core::Reply<Answer> reply) {
    requests.push_back(request);
    timeout = options.timeout;
    std::optional<Answer> at_once = answer ? answer(request) : std::nullopt;
    if (at_once) return reply(*std::move(at_once));
    held.push_back(std::move(reply));
  }
  void answer_held(Answer with) {
    auto reply = std::move(held.front());
    held.pop_front();
    reply(std::move(with));
  }

  std::function<std::optional<Answer>(const Request&)> answer;  // nothing: held
  std::vector<Request> requests;
  core::Duration timeout{};  // of the last call
  std::deque<core::Reply<Answer>> held;
};

class ScriptedDriver final : public wire::ControlChannel {
 public:
  explicit ScriptedDriver(std::string address) : address_(std::move(address)) {}

  void join(const wire::JoinRequest& request, const wire::CallOptions& options,
            core::Reply<Result<wire::JoinReply>> reply) override {
    joins.call(request, options, std::move(reply));
  }
  void acquire(const wire::AcquireRequest& request, const wire::CallOptions& options,
               core::Reply<Result<wire::AcquireReply>> reply) override {
    acquires.call(request, options, std::move(reply));
  }
  void heartbeat(const wire::HeartbeatRequest& request, const wire::CallOptions& options,
                 core::Reply<Result<wire::HeartbeatReply>> reply) override {
    heartbeats.call(request, options, std::move(reply));
  }
  void finish(const wire::FinishRequest& request, const wire::CallOptions& options,
              core::Reply<Status> reply) override {
    finishes.call(request, options, std::move(reply));
  }
  void leave(const wire::LeaveRequest& request, const wire::CallOptions& options,
             core::Reply<Status> reply) override {
    leaves.call(request, options, std::move(reply));
  }
  void fetch(const wire::FetchRequest& request, const wire::CallOptions& options,
             core::Reply<Result<wire::RecordChunk>> reply) override {
    fetches.call(request, options, std::move(reply));
  }
  const std::string& address() const override { return address_; }

  ScriptedCalls<wire::JoinRequest, Result<wire::JoinReply>> joins;
  ScriptedCalls<wire::AcquireRequest, Result<wire::AcquireReply>> acquires;
  ScriptedCalls<wire::HeartbeatRequest, Result<wire::HeartbeatReply>> heartbeats;
  ScriptedCalls<wire::FinishRequest, Status> finishes;
  ScriptedCalls<wire::LeaveRequest, Status> leaves;
  ScriptedCalls<wire::FetchRequest, Result<wire::RecordChunk>> fetches;

 private:
  const std::string address_;
};

}  // namespace sluice
