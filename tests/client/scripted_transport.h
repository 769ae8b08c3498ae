// Servers whose answers the test writes, behind a transport.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/unused_channel.h"
#include "wire/transport.h"

namespace sluice::client {

// Answers every call at once with the next scripted status of its shard, or success; remembers.
class ScriptedChannel final : public UnusedChannel {
 public:
  struct Seen {
    wire::PushHeader header;
    std::vector<float> update;
  };

  explicit ScriptedChannel(std::string address) : address_(std::move(address)) {}

  void exchange(const wire::PushHeader& header, wire::Bytes update, std::span<float> into,
                const wire::CallOptions& options,
                core::Reply<Result<PulledVersion>> reply) override {
    timeout = options.timeout;
    seen.push_back({header, {update.floats().begin(), update.floats().end()}});
    answer(header.shards.first, into, std::move(reply));
  }
  void pull(const wire::PullRequest& request, std::span<float> into, const wire::CallOptions&,
            core::Reply<Result<PulledVersion>> reply) override {
    averages_pulled.push_back(request.averages);
    answer(request.shards.first, into, std::move(reply));
  }
  void ping(uint64_t, const wire::CallOptions&,
            core::Reply<Result<wire::PingReply>> reply) override {
    ++pings;
    if (pong.ok()) {
      reply(wire::PingReply{});
    } else {
      reply(pong);
    }
  }
  void set_gate(const wire::GateRequest&, const wire::CallOptions&,
                core::Reply<Status> reply) override {
    reply(ok_status());
  }
  void cut() override {
    ++cuts;
    for (auto calls = std::exchange(held, {}); Held & call : calls) {
      call.reply(cancelled("the channel was cut"));
    }
  }
  const std::string& address() const override { return address_; }

  // Answers the call that has been held for the longest time.
  void answer_held() {
    Held call = std::move(held.front());
    held.pop_front();
    answer_now(call.shard, call.into, std::move(call.reply));
  }

  std::vector<bool> averages_pulled;  // by pull: whether they were asked for
  std::map<int, std::deque<Status>> script;
  Status always;  // when the script is empty
  Status pong;
  std::vector<Seen> seen;
  core::Duration timeout{};  // of the last exchange
  int64_t version = 0;
  bool superseded = false;  // every push is
  int pings = 0, cuts = 0;
  // When true, calls wait here instead.
  bool hold = false;
  struct Held {
    int shard;
    std::span<float> into;
    core::Reply<Result<PulledVersion>> reply;
  };
  std::deque<Held> held;

 private:
  void answer(int shard, std::span<float> into, core::Reply<Result<PulledVersion>> reply) {
    if (hold) {
      held.push_back({shard, into, std::move(reply)});
    } else {
      answer_now(shard, into, std::move(reply));
    }
  }
  void answer_now(int shard, std::span<float> into, core::Reply<Result<PulledVersion>> reply) {
    Status status = always;
    if (auto& next = script[shard]; !next.empty()) {
      status = next.front();
      next.pop_front();
    }
    if (!status.ok()) return reply(status);
    std::fill(into.begin(), into.end(), static_cast<float>(shard + 1));
    ++version;
    const auto name = static_cast<uint64_t>(version);
    reply(PulledVersion{{version, false, superseded}, version, 0, name, into.size_bytes()});
  }

  const std::string address_;
};

class ScriptedTransport final : public wire::Transport {
 public:
  Result<std::unique_ptr<wire::Listener>> listen(const std::string&, wire::ParameterService*,
                                                 const wire::ListenOptions&) override {
    return unavailable("not here");
  }
  Result<std::unique_ptr<wire::Listener>> listen(const std::string&,
                                                 wire::ControlService*) override {
    return unavailable("not here");
  }
  std::shared_ptr<wire::ParameterChannel> connect_parameters(const std::string&) override {
    return channel;
  }
  std::shared_ptr<wire::ControlChannel> connect_control(const std::string&) override {
    return nullptr;
  }

  std::shared_ptr<ScriptedChannel> channel = std::make_shared<ScriptedChannel>("scripted");
};

}  // namespace sluice::client
