#include "tests/simulator/network.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "tests/simulator/toy_backend.h"

namespace sluice::simulator {
namespace {

using core::TimePoint;
using PulledVersion = wire::ParameterChannel::PulledVersion;

// Addresses are "HOST:NAME"; a host is a process here.
std::string host_of(const std::string& address) { return address.substr(0, address.find(':')); }

std::string describe(const char* method, int64_t partition) {
  return std::string(method) + (partition >= 0 ? " of partition " + std::to_string(partition) : "");
}

// The caller's end of one call; whatever comes first answers it.
template <typename Answer>
class Call {
 public:
  explicit Call(core::Reply<Answer> reply) : reply_(std::move(reply)) {}
  void answer(Answer answer) {
    if (!reply_) return;
    core::Reply<Answer> reply = std::move(reply_);
    reply(std::move(answer));
  }
  bool open() const { return static_cast<bool>(reply_); }

 private:
  core::Reply<Answer> reply_;
};

size_t bytes_of(const wire::PullReply& answer) {
  return answer.difference ? answer.difference->code.bytes.size() : answer.bytes();
}
size_t bytes_of(const Result<wire::PullReply>& answer) {
  return answer.ok() ? bytes_of(*answer) : 0;
}
size_t bytes_of(const Result<wire::ExchangeReply>& answer) {
  return answer.ok() ? bytes_of(answer->pull) : 0;
}
size_t bytes_of(const auto& /*answer*/) { return 0; }

// What both kinds of channel have in common.
class Channel {
 public:
  Channel(Network& network, std::shared_ptr<Process> process, std::string address)
      : network_(network), process_(std::move(process)), address_(std::move(address)) {}
  ~Channel() { cut_all(); }

  // `invoke` calls the service, once for each time that the request arrives.
  template <typename Answer>
  void call(const char* method, int64_t partition, const wire::CallOptions& options,
            std::function<void(Network::Listening&, core::Reply<Answer>)> invoke,
            core::Reply<Answer> reply, size_t bytes = 0) {
    auto call = std::make_shared<Call<Answer>>(std::move(reply));
    const uint64_t id = ++last_call_;
    open_.emplace(id, [call] { call->answer(Answer(cancelled("the channel was cut"))); });
    const auto finish = [this, id, call, process = process_](Answer answer) {
      if (!call->open() || !process->alive()) return;
      open_.erase(id);
      call->answer(std::move(answer));
    };
    const auto alive = std::weak_ptr<int>(alive_);
    simulation().after(options.timeout, process_, [this, alive, finish, method, call] {
      if (alive.expired() || !call->open()) return;
      simulation().record(process_->name() + ": " + method + " at " + address_ + " timed out");
      finish(Answer(deadline_exceeded(address_ + " did not answer in time")));
    });
    Network& network = network_;
    network.send({process_, host_of(address_), method, partition, false, nullptr, bytes},
                 [&network, address = address_, process = process_, method, partition, invoke,
                  finish, alive] {
                   deliver<Answer>(network, address, process, method, partition, invoke,
                                   [finish, alive](Answer answer) {
                                     if (!alive.expired()) finish(std::move(answer));
                                   });
                 });
  }

  void cut_all() {
    while (!open_.empty()) {
      auto call = open_.extract(open_.begin());
      call.mapped()();
    }
  }

  const std::string& address() const { return address_; }

 protected:
  Simulation& simulation() { return network_.simulation(); }

  // The request has arrived.
  template <typename Answer>
  static void deliver(Network& network, const std::string& address,
                      const std::shared_ptr<Process>& caller, const char* method, int64_t partition,
                      const std::function<void(Network::Listening&, core::Reply<Answer>)>& invoke,
                      std::function<void(Answer)> finish) {
    Network::Listening* listening = network.find(address);
    if (listening == nullptr) return finish(Answer(unavailable(address + " does not answer")));
    const auto answerer = listening->process;
    if (answerer->paused_until() > network.simulation().now()) {
      // Its kernel keeps the message.
      return network.simulation().at(
          answerer->paused_until(), answerer,
          [&network, address, caller, method, partition, invoke, finish] {
            deliver<Answer>(network, address, caller, method, partition, invoke, finish);
          });
    }
    if (!network.simulation().is_quiet()) {
      network.simulation().record(caller->name() + " -> " + answerer->name() + ": " +
                                  describe(method, partition));
    }
    invoke(*listening, [&network, answerer, caller, method, partition, finish](Answer answer) {
      auto shared = std::make_shared<Answer>(std::move(answer));
      network.send(
          {answerer, caller->name(), method, partition, true, caller, bytes_of(*shared)},
          [shared, finish, &network, caller, method, partition] {
            if (!network.simulation().is_quiet()) {
              network.simulation().record(caller->name() + " <- " + describe(method, partition));
            }
            finish(*shared);
          });
    });
  }

  Network& network_;
  const std::shared_ptr<Process> process_;
  const std::string address_;

 private:
  std::map<uint64_t, std::function<void()>> open_;  // cuts off the call
  uint64_t last_call_ = 0;
  const std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

// The bytes are on the wire: what the caller does with its buffer afterwards changes nothing.
wire::ReceivedPayload on_the_wire(const wire::Bytes& payload) {
  auto copy = std::make_shared<std::vector<std::byte>>(payload.bytes.begin(), payload.bytes.end());
  wire::ReceivedPayload received;
  received.pieces.emplace_back(*copy);
  received.owner = std::move(copy);
  return received;
}

class SimulatedParameterChannel final : public wire::ParameterChannel {
 public:
  SimulatedParameterChannel(Network& network, std::shared_ptr<Process> process, std::string address)
      : network_(network), channel_(network, std::move(process), std::move(address)) {}

  void exchange(const wire::PushHeader& header, wire::Bytes update, std::span<float> into,
                const wire::CallOptions& options,
                core::Reply<Result<PulledVersion>> reply) override {
    const size_t bytes = update.bytes.size();
    if (network_.watcher) network_.watcher->on_sent(header);
    channel_.call<Result<wire::ExchangeReply>>(
        "Exchange", header.id.partition, options,
        [header, payload = on_the_wire(update), address = address(), &network = network_](
            Network::Listening& to, core::Reply<Result<wire::ExchangeReply>> answer) {
          arrive(network, address, *to.parameters, header, payload, std::move(answer));
        },
        [into, header, &network = network_,
         reply = std::move(reply)](Result<wire::ExchangeReply> result) mutable {
          if (!result.ok()) return reply(result.status());
          if (network.on_answered) network.on_answered(header);
          if (network.watcher && result->push.duplicate) network.watcher->on_duplicate(header);
          if (network.watcher && header.step != wire::PushStep::kStage) {
            network.watcher->on_acknowledged(header, result->push);
          }
          if (Status taken = wire::take(result->pull, into); !taken.ok()) return reply(taken);
          if (network.watcher)
            network.watcher->on_taken(header.wanted, header.shards, result->pull.held, into);
          reply(PulledVersion{result->push, result->pull.version, result->pull.clock,
                              result->pull.held, into.size_bytes()});
        },
        bytes);
  }

  void pull(const wire::PullRequest& request, std::span<float> into,
            const wire::CallOptions& options, core::Reply<Result<PulledVersion>> reply) override {
    channel_.call<Result<wire::PullReply>>(
        "Pull", -1, options,
        [request, &network = network_](Network::Listening& to,
                                       core::Reply<Result<wire::PullReply>> answer) {
          to.parameters->pull(request, [request, &network, answer = std::move(answer)](
                                           Result<wire::PullReply> result) mutable {
            if (network.watcher && result.ok()) network.watcher->on_pulled(request, *result);
            answer(std::move(result));
          });
        },
        [into, request, &network = network_,
         reply = std::move(reply)](Result<wire::PullReply> result) mutable {
          if (!result.ok()) return reply(result.status());
          if (Status taken = wire::take(*result, into); !taken.ok()) return reply(taken);
          if (network.watcher)
            network.watcher->on_taken(request.wanted, request.shards, result->held, into);
          reply(PulledVersion{{}, result->version, result->clock, result->held, into.size_bytes()});
        });
  }

  void create(const wire::CreateRequest& request, const wire::CallOptions& options,
              core::Reply<Status> reply) override {
    channel_.call<Status>(
        "Create", -1, options,
        [request, address = address(), &network = network_](Network::Listening& to,
                                                            core::Reply<Status> answer) {
          if (network.watcher) network.watcher->on_create(address, request);
          to.parameters->create(request, std::move(answer));
        },
        std::move(reply));
  }

  void assign(const wire::AssignRequest& request, wire::Bytes values,
              const wire::CallOptions& options, core::Reply<Status> reply) override {
    channel_.call<Status>(
        "Assign", -1, options,
        [request, payload = on_the_wire(values)](Network::Listening& to,
                                                 core::Reply<Status> answer) {
          to.parameters->assign(request, payload, std::move(answer));
        },
        std::move(reply));
  }

  void fence(const wire::FenceRequest& request, const wire::CallOptions& options,
             core::Reply<Result<wire::FenceReply>> reply) override {
    channel_.call<Result<wire::FenceReply>>(
        "Fence", request.partition, options,
        [request, address = address(), &network = network_](
            Network::Listening& to, core::Reply<Result<wire::FenceReply>> answer) {
          to.parameters->fence(request, [request, address, &network, answer = std::move(answer)](
                                            Result<wire::FenceReply> result) mutable {
            if (network.watcher && result.ok()) {
              network.watcher->on_gate(address, request.gate);
              network.watcher->on_fence(address, request);
            }
            answer(std::move(result));
          });
          if (network.watcher) network.watcher->on_settled(address);
        },
        std::move(reply));
  }

  void ledger(const wire::LedgerRequest& request, const wire::CallOptions& options,
              core::Reply<Result<wire::LedgerReply>> reply) override {
    channel_.call<Result<wire::LedgerReply>>(
        "Ledger", -1, options,
        [request](Network::Listening& to, core::Reply<Result<wire::LedgerReply>> answer) {
          to.parameters->ledger(request, std::move(answer));
        },
        std::move(reply));
  }

  void ping(uint64_t job, const wire::CallOptions& options,
            core::Reply<Result<wire::PingReply>> reply) override {
    channel_.call<Result<wire::PingReply>>(
        "Ping", -1, options,
        [job](Network::Listening& to, core::Reply<Result<wire::PingReply>> answer) {
          to.parameters->ping(job, std::move(answer));
        },
        std::move(reply));
  }

  void set_gate(const wire::GateRequest& request, const wire::CallOptions& options,
                core::Reply<Status> reply) override {
    channel_.call<Status>(
        "SetGate", -1, options,
        [request, address = address(), &network = network_](Network::Listening& to,
                                                            core::Reply<Status> answer) {
          to.parameters->set_gate(request, [request, address, &network,
                                            answer = std::move(answer)](Status status) mutable {
            if (network.watcher && status.ok()) network.watcher->on_gate(address, request.gate);
            answer(std::move(status));
          });
          if (network.watcher) network.watcher->on_settled(address);
        },
        std::move(reply));
  }

  void move(const wire::MoveRequest& request, const wire::CallOptions& options,
            core::Reply<Result<wire::MoveReply>> reply) override {
    if (network_.on_move) network_.on_move(request);
    channel_.call<Result<wire::MoveReply>>(
        "Move", -1, options,
        [request, address = address(), &network = network_](
            Network::Listening& to, core::Reply<Result<wire::MoveReply>> answer) {
          const auto server = to.parameters;
          server->move(request, [=, &network, answer = std::move(answer)](
                                    Result<wire::MoveReply> result) mutable {
            if (network.watcher && result.ok()) {
              network.became(address, *server, request.job);
              network.watcher->on_move(address, request);
            }
            answer(std::move(result));
          });
          if (network.watcher) network.watcher->on_settled(address);
        },
        std::move(reply));
  }

  void cut() override { channel_.cut_all(); }
  const std::string& address() const override { return channel_.address(); }

 private:
  static void arrive(Network& network, const std::string& address, wire::ParameterService& server,
                     const wire::PushHeader& header, const wire::ReceivedPayload& payload,
                     core::Reply<Result<wire::ExchangeReply>> answer) {
    if (network.watcher == nullptr) return server.exchange(header, payload, std::move(answer));
    const int64_t call = network.next_arrival();
    server.exchange(
        header, payload,
        [call, &network, answer = std::move(answer)](Result<wire::ExchangeReply> result) mutable {
          network.watcher->on_answer(call, result);
          answer(std::move(result));
        });
    wire::ReceivedPayload received = payload;
    received.encoding = header.encoding;
    const bool brings = header.step != wire::PushStep::kCommit;
    std::vector<float> update(brings ? static_cast<size_t>(header.shards.count) * kPlaces : 0);
    (void)wire::take(received, update);
    network.watcher->on_push(address,
                             {call, header, update, network.became(address, server, header.job)});
    network.watcher->on_settled(address);
  }

  Network& network_;
  Channel channel_;
};

class SimulatedControlChannel final : public wire::ControlChannel {
 public:
  SimulatedControlChannel(Network& network, std::shared_ptr<Process> process, std::string address)
      : channel_(network, std::move(process), std::move(address)) {}

  void join(const wire::JoinRequest& request, const wire::CallOptions& options,
            core::Reply<Result<wire::JoinReply>> reply) override {
    call<Result<wire::JoinReply>>("Join", -1, &wire::ControlService::join, request, options,
                                  std::move(reply));
  }
  void acquire(const wire::AcquireRequest& request, const wire::CallOptions& options,
               core::Reply<Result<wire::AcquireReply>> reply) override {
    call<Result<wire::AcquireReply>>("Acquire", -1, &wire::ControlService::acquire, request,
                                     options, std::move(reply));
  }
  void heartbeat(const wire::HeartbeatRequest& request, const wire::CallOptions& options,
                 core::Reply<Result<wire::HeartbeatReply>> reply) override {
    call<Result<wire::HeartbeatReply>>("Heartbeat", request.partition,
                                       &wire::ControlService::heartbeat, request, options,
                                       std::move(reply));
  }
  void finish(const wire::FinishRequest& request, const wire::CallOptions& options,
              core::Reply<Status> reply) override {
    call<Status>("Finish", request.partition, &wire::ControlService::finish, request, options,
                 std::move(reply));
  }
  void leave(const wire::LeaveRequest& request, const wire::CallOptions& options,
             core::Reply<Status> reply) override {
    call<Status>("Leave", -1, &wire::ControlService::leave, request, options, std::move(reply));
  }
  void fetch(const wire::FetchRequest& request, const wire::CallOptions& options,
             core::Reply<Result<wire::RecordChunk>> reply) override {
    call<Result<wire::RecordChunk>>("Fetch", request.partition, &wire::ControlService::fetch,
                                    request, options, std::move(reply));
  }
  const std::string& address() const override { return channel_.address(); }

 private:
  template <typename Answer, typename Request>
  void call(const char* method, int64_t partition,
            void (wire::ControlService::*function)(const Request&, core::Reply<Answer>),
            const Request& request, const wire::CallOptions& options, core::Reply<Answer> reply) {
    channel_.call<Answer>(
        method, partition, options,
        [function, request](Network::Listening& to, core::Reply<Answer> answer) {
          (to.control->*function)(request, std::move(answer));
        },
        std::move(reply));
  }

  Channel channel_;
};

class SimulatedListener final : public wire::Listener {
 public:
  SimulatedListener(Network& network, std::string address)
      : network_(network), address_(std::move(address)) {}
  ~SimulatedListener() override { network_.listening().erase(address_); }
  const std::string& address() const override { return address_; }
  Status serve(size_t) override {
    network_.listening().at(address_).serving = true;
    return ok_status();
  }

 private:
  Network& network_;
  const std::string address_;
};

class SimulatedTransport final : public wire::Transport {
 public:
  SimulatedTransport(Network& network, std::shared_ptr<Process> process)
      : network_(network), process_(std::move(process)) {}

  Result<std::unique_ptr<wire::Listener>> listen(const std::string& address,
                                                 wire::ParameterService* service,
                                                 const wire::ListenOptions& options) override {
    Network::Listening listening{process_, service, nullptr, true};
    listening.serving = options.max_message_bytes != wire::ListenOptions::kNotKnownYet;
    return listen_for(address, listening);
  }
  Result<std::unique_ptr<wire::Listener>> listen(const std::string& address,
                                                 wire::ControlService* service) override {
    return listen_for(address, {process_, nullptr, service, true});
  }
  std::shared_ptr<wire::ParameterChannel> connect_parameters(const std::string& address) override {
    return std::make_shared<SimulatedParameterChannel>(network_, process_, address);
  }
  std::shared_ptr<wire::ControlChannel> connect_control(const std::string& address) override {
    return std::make_shared<SimulatedControlChannel>(network_, process_, address);
  }

 private:
  Result<std::unique_ptr<wire::Listener>> listen_for(const std::string& address,
                                                     const Network::Listening& listening) {
    network_.listening()[address] = listening;
    return std::unique_ptr<wire::Listener>(std::make_unique<SimulatedListener>(network_, address));
  }

  Network& network_;
  const std::shared_ptr<Process> process_;
};

}  // namespace

const char* to_string(Phase phase) {
  constexpr const char* kNames[] = {"joining",  "exchange", "raise", "fence",
                                    "takeover", "move",     "end"};
  return kNames[static_cast<size_t>(phase)];
}

const char* to_string(Fault fault) {
  constexpr const char* kNames[] = {"delay", "loss",  "duplicate", "reorder", "cut",
                                    "pause", "death", "drain",     "restart"};
  return kNames[static_cast<size_t>(fault)];
}

FaultCounts& FaultCounts::operator+=(const FaultCounts& other) {
  for (size_t fault = 0; fault < counts.size(); ++fault) {
    for (size_t phase = 0; phase < counts[fault].size(); ++phase) {
      counts[fault][phase] += other.counts[fault][phase];
    }
  }
  return *this;
}

std::unique_ptr<wire::Transport> Network::transport_of(std::shared_ptr<Process> process) {
  return std::make_unique<SimulatedTransport>(*this, std::move(process));
}

Network::Listening* Network::find(const std::string& address) {
  const auto it = listening_.find(address);
  const bool there = it != listening_.end() && it->second.serving && it->second.process->alive();
  return there ? &it->second : nullptr;
}

ServerWatcher::Became Network::became(const std::string& address, wire::ParameterService& server,
                                      uint64_t job) {
  using Became = ServerWatcher::Became;
  wire::LedgerReply now;
  server.ledger({job, false}, [&](const Result<wire::LedgerReply>& ledger) {
    if (ledger.ok()) now = *ledger;
  });
  const auto before = std::exchange(counts_[address], now);
  if (now.superseded > before.superseded) return Became::kSuperseded;
  if (now.version > before.version) return Became::kApplied;
  return now.duplicates > before.duplicates ? Became::kDuplicate : Became::kNothing;
}

void Network::cut(const std::string& from, const std::string& to, TimePoint until) {
  cuts_[{from, to}] = until;
  simulation_.record("cut " + from + " -> " + to);
}

bool Network::is_cut(const std::string& from, const std::string& to) const {
  const auto it = cuts_.find({from, to});
  return it != cuts_.end() && it->second > simulation_.now();
}

core::Duration Network::delay_of(const Message& message, Phase phase) {
  core::Duration delay =
      time_on_lines(message) + simulation_.between(options_.least_delay, options_.most_delay);
  if (!healed_ && simulation_.happens(options_.slow)) {
    delay = simulation_.between(options_.most_delay, options_.slowest);
    ++faults_.at(Fault::kDelay, phase);
  }
  TimePoint& last = last_arrival_[{message.from->name(), message.to}];
  const TimePoint arrival = simulation_.now() + delay;
  if (arrival < last) ++faults_.at(Fault::kReorder, phase);
  last = std::max(last, arrival);
  return delay;
}

// A message leaves when those before it have, and arrives when those before it have: whoever sends
// is not kept by a receiver whose line is full.
core::Duration Network::time_on_lines(const Message& message) {
  if (options_.bytes_per_s <= 0) return {};
  constexpr double kHeader = 200;
  const double bytes = static_cast<double>(message.bytes) * options_.bytes_scale + kHeader;
  const core::Duration takes = core::from_seconds(bytes / options_.bytes_per_s);
  const TimePoint now = simulation_.now();
  TimePoint& out = out_free_[message.from->name()];
  TimePoint& in = in_free_[message.to];
  out = std::max(out, now) + takes;
  in = std::max(in + takes, out);
  return in - now;
}

void Network::send(const Message& message, std::function<void()> deliver) {
  if (!message.from->alive()) return;
  if (const core::Duration busy = SimulatedWorld::busy(); busy > core::Duration()) {
    simulation_.after(busy, message.from, [this, message, deliver = std::move(deliver)]() mutable {
      send(message, std::move(deliver));
    });
    return;
  }
  if (on_message) on_message(message.method, message.partition, message.from->name(), message.to);
  if (!message.from->alive()) return;  // it died while it sent this
  const Phase phase = phase_of ? phase_of(message.method, message.partition) : Phase::kExchange;
  if (is_cut(message.from->name(), message.to)) {
    ++faults_.at(Fault::kCut, phase);
    return;
  }
  if (!healed_ && simulation_.happens(options_.lost)) {
    ++faults_.at(Fault::kLoss, phase);
    simulation_.record("lost: " + describe(message.method, message.partition) + " from " +
                       message.from->name() + " to " + message.to);
    return;
  }
  if (!healed_ && simulation_.happens(options_.repeated)) {
    ++faults_.at(Fault::kDuplicate, phase);
    simulation_.after(delay_of(message, phase), message.receiver, [deliver] { deliver(); });
  }
  simulation_.after(delay_of(message, phase), message.receiver,
                    [deliver = std::move(deliver)] { deliver(); });
}

}  // namespace sluice::simulator
