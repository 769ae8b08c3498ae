#include "client/parameter_client.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

#include "client/push_encoder.h"
#include "core/check.h"

namespace sluice::client {

using core::TimePoint;
using Actions = ExchangeMachine::Actions;
using PulledVersion = wire::ParameterChannel::PulledVersion;

namespace {
enum class Kind { kPull, kPullKept, kExchange, kAssign };

constexpr const char* kForTheDriver = "the driver to say where the parameters have moved";
}  // namespace

// The threads around one ExchangeMachine: whoever brings an event does what follows from it, unless
// somebody is at it already, who then does that too. So calls that are answered at once do not pile
// up on the stack, and actions are done in the order in which they were decided.
class ParameterClient::Exchanges : public std::enable_shared_from_this<Exchanges> {
 public:
  Exchanges(core::World& world, wire::Transport& transport, std::shared_ptr<core::Strand> timers,
            uint64_t job, wire::Placement placement, const ExchangeOptions& options,
            std::function<void(const std::string&)> waiting_for)
      : placement_(std::move(placement)),
        versions_(placement_.shard_map),
        world_(world),
        transport_(transport),
        timers_(std::move(timers)),
        job_(job),
        waiting_for_(std::move(waiting_for)),
        options_(options),
        pull_(options.pull),
        meter_(options.traffic),
        push_kind_(options.decided_pushes ? ExchangeMachine::Kind::kDecidedPush
                                          : ExchangeMachine::Kind::kPush),
        encoder_(placement_.shard_map) {
    connect();
  }

  const wire::ShardMap& shard_map() const { return placement_.shard_map; }

  void start(Kind kind, wire::PushHeader header, const wire::ShardMap::Part& part,
             std::shared_ptr<const core::AlignedBuffer> update, std::span<float> into,
             const Versions& base_versions, core::Reply<Status> done) {
    bring([&](TimePoint now) {
      SLUICE_CHECK(!done_) << "an exchange is under way";
      kind_ = kind;
      header_ = std::move(header);
      header_.job = job_;
      metrics_ = std::move(header_.metrics);
      header_.metrics.clear();
      part_ = part;
      update_ = std::move(update);
      into_ = into;
      if (held_in_ != into.data() || held_offset_ != part.offset) forget_held();
      held_in_ = into.data();
      held_offset_ = part.offset;
      base_versions_ = base_versions.empty() ? versions_ : base_versions;
      began_ = now;
      done_ = std::move(done);
      traffic_.assign(channels_.size(), {});
      return begin(now);
    });
  }

  // What a pull_kept() is of.
  void set_kept(bool averages, const std::optional<wire::PullRequest::Kept>& kept) {
    averages_ = averages;
    kept_ = kept;
  }

  void follow(wire::Placement placement) {
    bring([&](TimePoint now) {
      const int64_t known = next_ ? next_->revision : placement_.revision;
      if (placement.revision > known) next_ = std::move(placement);
      if (!done_) move_on();
      return lost_ ? begin_again(now) : Actions();
    });
  }

  void stop() {
    bring([this](TimePoint now) {
      if (!lost_) return machine_->stop(now);
      lost_ = false;
      Actions actions;
      actions.waiting_for = "";
      actions.end = cancelled("stopped");
      return actions;
    });
  }

  // Nothing touches the caller's buffers after this.
  void close() {
    stop();
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return machine_->idle() && !busy_; });
    if (timer_ != 0) timers_->cancel(std::exchange(timer_, 0));
    waiting_for_ = nullptr;
    lock.unlock();
    for (const auto& channel : channels_) channel->cut();  // pings hold on to them
  }

  wire::Placement placement_;
  Versions versions_;  // as last pulled
  int64_t clock_ = 0;

 private:
  void connect() {
    channels_.clear();
    for (const std::string& address : placement_.servers) {
      channels_.push_back(transport_.connect_parameters(address));
    }
    traffic_.assign(channels_.size(), {});
    held_.assign(static_cast<size_t>(shard_map().size()), 0);
    machine_.emplace(placement_.servers, options_, world_.unique_number());
  }

  // --- Shards that move; with the lock ---

  // The exchange, from its beginning.
  Actions begin(TimePoint now) {
    superseded_.reset();
    dropped_ = false;
    for (size_t i = 0; i < traffic_.size(); ++i) traffic_[i].server = static_cast<int>(i);
    if (kind_ != Kind::kAssign) part_ = shard_map().part_at(part_.offset, part_.size);
    const bool pushes = kind_ == Kind::kExchange;
    std::vector<ExchangeMachine::Unit> its = units(pushes);
    if (pushes) encoder_.begin(its.size());
    return machine_->start(pushes ? push_kind_ : ExchangeMachine::Kind::kOnce, std::move(its), now);
  }

  // What this process has of the parameters is cut as the next map, if there is one.
  void move_on() {
    if (!next_) return;
    const wire::ShardMap before = std::exchange(placement_, *std::exchange(next_, {})).shard_map;
    retired_.insert(retired_.end(), channels_.begin(), channels_.end());
    connect();
    versions_ = versions_.cut_as(shard_map());
    encoder_.cut_as(before, shard_map());
  }

  // A push goes out whole this time: what it was encoded to was cut otherwise.
  Actions begin_again(TimePoint now) {
    if (!next_) return {};
    lost_ = false;
    if (kind_ == Kind::kExchange) {
      update_ = encoder_.taken_back(std::move(update_), part_.offset);
      header_.encoding = {};
    }
    move_on();
    Actions actions = begin(now);
    if (!actions.waiting_for) actions.waiting_for = "";
    return actions;
  }

  template <typename Event>
  void bring(Event event) {
    std::unique_lock lock(mutex_);
    Actions actions = event(world_.now());
    rearm(actions.wake);
    // Events of which nothing follows may come faster than anything can be done.
    if (!actions.empty()) todo_.push_back(std::move(actions));
    if (busy_) return;
    busy_ = true;
    while (!todo_.empty() || !retired_.empty()) {
      auto retired = std::exchange(retired_, {});
      Actions next;
      if (!todo_.empty()) {
        next = std::move(todo_.front());
        todo_.pop_front();
      }
      lock.unlock();
      retired.clear();  // the answers to what is cut off take the lock
      perform(std::move(next));
      lock.lock();
    }
    busy_ = false;
    ended_.notify_all();
  }

  // Without the lock.
  void perform(Actions actions) {
    for (const ExchangeMachine::Call& call : actions.calls) issue(call);
    for (const ExchangeMachine::Ping& ping : actions.pings) {
      channels_[static_cast<size_t>(ping.server)]->ping(
          job_, {ping.timeout},
          [self = shared_from_this(), ping,
           revision = placement_.revision](const Result<wire::PingReply>& pong) {
            const std::string held_for = pong.ok() ? pong->waiting_for : "";
            self->bring([&](TimePoint now) {
              if (self->placement_.revision != revision) return Actions();
              return self->machine_->ponged(ping.server, pong.status(), now, held_for);
            });
          });
    }
    if (actions.cut) {
      for (const auto& channel : channels_) channel->cut();
    }
    if (actions.waiting_for && waiting_for_) waiting_for_(*actions.waiting_for);
    if (!actions.end) return;
    if (actions.end->code() == wire::kMoved && options_.follows) return lose();
    finish(*std::move(actions.end));
  }

  // The shards are not where they were.
  void lose() {
    bring([this](TimePoint now) {
      lost_ = true;
      Actions actions = begin_again(now);
      if (lost_) actions.wake = now + options_.speak_after;  // it need not be said before
      return actions;
    });
  }

  // The messages for each server's shards of the part; of a push, also for one that has none.
  std::vector<ExchangeMachine::Unit> units(bool pushes) {
    std::vector<ExchangeMachine::Unit> result;
    std::vector<char> has_some(channels_.size()), together(channels_.size());
    for (size_t server = 0; server < channels_.size(); ++server) {
      together[server] = channels_[server]->shares_memory() ? 1 : 0;
    }
    for (const auto& [server, shards] : shard_map().messages(part_, together)) {
      result.push_back({server, shards});
      has_some[static_cast<size_t>(server)] = 1;
    }
    for (size_t server = 0; server < has_some.size() && pushes; ++server) {
      if (has_some[server] == 0) result.push_back({static_cast<int>(server), {0, 0}});
    }
    const auto first = std::ranges::find(result, int{wire::ShardMap::kLedgerServer},
                                         &ExchangeMachine::Unit::server);
    ledger_unit_ = static_cast<int>(first - result.begin());
    return result;
  }

  void issue(const ExchangeMachine::Call& call) {
    const auto [server, shards] = call.unit;
    wire::ParameterChannel& channel = *channels_[static_cast<size_t>(server)];
    const wire::CallOptions options{call.timeout};
    const bool by_memory = channel.shares_memory();
    if (kind_ == Kind::kAssign) {
      return channel.assign({job_, shards}, update_of(shards), options,
                            [self = shared_from_this(), index = call.index](const Status& status) {
                              self->answered(index, status, {});
                            });
    }
    const bool gets_values = call.step != wire::PushStep::kStage;
    const auto into = gets_values ? into_.subspan(offset_of(shards), shard_map().floats_of(shards))
                                  : std::span<float>();
    core::Reply<Result<PulledVersion>> reply(
        [self = shared_from_this(), index = call.index](const Result<PulledVersion>& result) {
          self->answered(index, result.status(), result.ok() ? *result : PulledVersion());
        });
    const auto wanted = gets_values ? wanted_of(shards, by_memory) : std::nullopt;
    if (kind_ != Kind::kExchange) {
      const bool kept = kind_ == Kind::kPullKept;
      const wire::PullRequest request{job_,
                                      shards,
                                      kept && averages_,
                                      header_.worker,
                                      wanted,
                                      placement_.revision,
                                      kept ? kept_ : std::nullopt};
      return channel.pull(request, into, options, std::move(reply));
    }
    wire::PushHeader header = header_;
    header.shards = shards;
    header.revision = placement_.revision;
    header.step = call.step;
    header.wanted = wanted;
    if (call.step == wire::PushStep::kCommit) {
      header.encoding = {};
      header.superseded = superseded();
      return channel.exchange(header, {}, into, options, std::move(reply));
    }
    header.base_version = base_version(shards);
    if (call.index == ledger_unit_) header.metrics = metrics_;
    const bool encodes = shards.count == 1 && !by_memory;
    const PushEncoder::Code& update =
        encoder_.encode(call.index, encodes ? header_.encoding : compression::Compression(), shards,
                        update_of(shards));
    header.encoding = update.encoding;
    count_sent(server, update.bytes.bytes.size(), shards);
    channel.exchange(header, update.bytes, into, options, std::move(reply));
  }

  // What a worker holds is known as long as every answer is told how it is to be; then its name is
  // the last answer's.
  std::optional<wire::Wanted> wanted_of(wire::ShardRange shards, bool by_memory) {
    std::lock_guard lock(mutex_);
    const bool trains = kind_ == Kind::kExchange || (kind_ == Kind::kPull && header_.worker >= 0);
    if (trains && pull_ != compression::Compression() && shards.count == 1 && !by_memory) {
      return wire::Wanted{pull_, header_.member, held_[static_cast<size_t>(shards.first)]};
    }
    for (int i = shards.first; i < shards.end(); ++i) held_[static_cast<size_t>(i)] = 0;
    return std::nullopt;
  }
  void count_sent(int server, size_t bytes, wire::ShardRange shards) {
    std::lock_guard lock(mutex_);
    wire::Traffic& its = traffic_[static_cast<size_t>(server)];
    const size_t whole = shards.count == 0 ? 0 : shard_map().floats_of(shards) * sizeof(float);
    its.sent_bytes += static_cast<int64_t>(bytes);
    its.saved_bytes += static_cast<int64_t>(whole - bytes);
  }
  void forget_held() { std::ranges::fill(held_, 0); }

  std::optional<bool> superseded() {
    std::lock_guard lock(mutex_);
    return superseded_;
  }

  // Of the part's floats.
  size_t offset_of(wire::ShardRange shards) const {
    return shards.count == 0 ? 0 : shard_map()[shards.first].offset - part_.offset;
  }
  wire::Payload update_of(wire::ShardRange shards) const {
    if (shards.count == 0) return {};
    return {update_, update_->span().subspan(offset_of(shards), shard_map().floats_of(shards))};
  }
  int64_t base_version(wire::ShardRange shards) const {
    if (shards.count == 0) return 0;
    return base_versions_.oldest(shard_map()[shards.first].offset, shard_map().floats_of(shards));
  }

  void answered(int index, const Status& status, const PulledVersion& pulled) {
    bring([&](TimePoint now) {
      const auto [server, shards] = machine_->unit(index);
      if (status.ok()) {
        wire::Traffic& its = traffic_[static_cast<size_t>(server)];
        its.seconds = core::to_seconds(now - began_);
        its.received_bytes += static_cast<int64_t>(pulled.bytes);
        dropped_ = dropped_ || pulled.push.superseded || pulled.push.duplicate;
      }
      if (status.ok() && machine_->step(index) != wire::PushStep::kStage) {
        for (int shard = shards.first; shard < shards.end(); ++shard) {
          versions_.set(shard, pulled.version);
          held_[static_cast<size_t>(shard)] = pulled.held;
        }
        if (shards.count > 0 && !into_.empty()) {
          const size_t whole = shard_map().floats_of(shards) * sizeof(float);
          traffic_[static_cast<size_t>(server)].saved_bytes +=
              static_cast<int64_t>(whole - pulled.bytes);
        }
        const bool decides = kind_ == Kind::kExchange && shards.count == 0 &&
                             push_kind_ == ExchangeMachine::Kind::kDecidedPush;
        if (decides && server == wire::ShardMap::kLedgerServer) {
          superseded_ = pulled.push.superseded;
        }
      }
      clock_ = std::max(clock_, pulled.clock);
      return machine_->answered(index, status, now);
    });
  }

  // The last touch of the caller's buffers was before this.
  void finish(Status status) {
    update_ = nullptr;
    if (kind_ == Kind::kExchange) encoder_.end(status.ok() && !dropped_);
    if (meter_ && status.ok() && (kind_ == Kind::kExchange || kind_ == Kind::kPull)) {
      for (size_t i = 0; i < traffic_.size(); ++i) {
        traffic_[i].exchanges = 1;
        traffic_[i].path = channels_[i]->path();
      }
      meter_->add(traffic_);
    }
    core::Reply<Status> done;
    {
      std::lock_guard lock(mutex_);
      done = std::move(done_);
      move_on();
    }
    done(std::move(status));  // may start the next exchange
  }

  // With the lock. A timer that is set for an earlier time finds nothing to do then.
  void rearm(std::optional<TimePoint> wake) {
    if (!wake || (timer_ != 0 && armed_for_ <= *wake)) return;
    if (timer_ != 0) timers_->cancel(timer_);
    armed_for_ = *wake;
    timer_ = timers_->at(*wake, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->wake();
    });
  }
  void wake() {
    bring([this](TimePoint now) {
      timer_ = 0;
      if (!lost_) return machine_->time(now);
      Actions actions;
      actions.waiting_for = kForTheDriver;
      return actions;
    });
  }

  core::World& world_;
  wire::Transport& transport_;
  const std::shared_ptr<core::Strand> timers_;
  const uint64_t job_;
  std::vector<std::shared_ptr<wire::ParameterChannel>> channels_;  // by server
  // Of an earlier map; pings may be under way there. Guarded by mutex_.
  std::vector<std::shared_ptr<wire::ParameterChannel>> retired_;

  // Of the exchange that is under way; written before its first call.
  Kind kind_ = Kind::kPull;
  wire::PushHeader header_;
  std::vector<wire::EpochMetrics> metrics_;  // for the ledger server
  int ledger_unit_ = 0;                      // whose message has them
  wire::ShardMap::Part part_;
  std::optional<bool> superseded_;  // what the ledger server decided; guarded by mutex_
  // The push is superseded, or had been applied before: perhaps as another worker has trained it.
  bool dropped_ = false;                               // guarded by mutex_
  std::shared_ptr<const core::AlignedBuffer> update_;  // or what is assigned
  std::span<float> into_;
  Versions base_versions_;
  bool averages_ = false;  // of a pull_kept()
  std::optional<wire::PullRequest::Kept> kept_;
  std::optional<wire::Placement>
      next_;           // that has been told and is not in force; guarded by mutex_
  bool lost_ = false;  // the exchange waits for that; guarded by mutex_
  core::Reply<Status> done_;
  std::function<void(const std::string&)> waiting_for_;

  const ExchangeOptions options_;
  const compression::Compression pull_;
  const std::shared_ptr<TrafficMeter> meter_;  // or null
  std::vector<wire::Traffic> traffic_;         // of this exchange, by server; guarded by mutex_
  TimePoint began_{};
  const ExchangeMachine::Kind push_kind_;
  PushEncoder encoder_;
  // The names of what the worker holds, by shard, in this buffer and part; guarded by mutex_.
  std::vector<uint64_t> held_;
  const float* held_in_ = nullptr;
  size_t held_offset_ = 0;

  std::mutex mutex_;
  std::condition_variable ended_;
  std::optional<ExchangeMachine> machine_;  // always there; guarded by mutex_
  std::deque<Actions> todo_;  // guarded by mutex_
  bool busy_ = false;         // somebody is performing; guarded by mutex_
  core::TimerId timer_ = 0;   // guarded by mutex_
  TimePoint armed_for_{};     // guarded by mutex_
};

ParameterClient::ParameterClient(core::World& world, wire::Transport& transport,
                                 std::shared_ptr<core::Strand> timers, uint64_t job,
                                 wire::Placement placement, const ExchangeOptions& options,
                                 std::function<void(const std::string&)> waiting_for)
    : exchanges_(std::make_shared<Exchanges>(world, transport, std::move(timers), job,
                                             std::move(placement), options,
                                             std::move(waiting_for))) {}

ParameterClient::~ParameterClient() { exchanges_->close(); }

const wire::ShardMap& ParameterClient::shard_map() const { return exchanges_->shard_map(); }

void ParameterClient::follow(wire::Placement placement) {
  exchanges_->follow(std::move(placement));
}

void ParameterClient::pull(std::span<float> into, core::Reply<Status> done) {
  pull_for(-1, 0, shard_map().whole(), into, std::move(done));
}

void ParameterClient::pull_for(int worker, int64_t member, const wire::ShardMap::Part& part,
                               std::span<float> into, core::Reply<Status> done) {
  wire::PushHeader header;
  header.worker = worker;
  header.member = member;
  exchanges_->start(Kind::kPull, header, part, nullptr, into, {}, std::move(done));
}

void ParameterClient::pull_averages(std::span<float> into, core::Reply<Status> done) {
  pull_kept(/*averages=*/true, std::nullopt, shard_map().whole(), into, std::move(done));
}

void ParameterClient::pull_kept(bool averages, const std::optional<wire::PullRequest::Kept>& kept,
                                const wire::ShardMap::Part& part, std::span<float> into,
                                core::Reply<Status> done) {
  wire::PushHeader header;
  header.worker = -1;
  exchanges_->set_kept(averages, kept);
  exchanges_->start(Kind::kPullKept, header, part, nullptr, into, {}, std::move(done));
}

void ParameterClient::exchange(const wire::PushHeader& header, const wire::ShardMap::Part& part,
                               std::shared_ptr<const core::AlignedBuffer> update,
                               std::span<float> into, const Versions& base_versions,
                               core::Reply<Status> done) {
  exchanges_->start(Kind::kExchange, header, part, std::move(update), into, base_versions,
                    std::move(done));
}

void ParameterClient::assign(std::shared_ptr<const core::AlignedBuffer> values,
                             core::Reply<Status> done) {
  exchanges_->start(Kind::kAssign, {}, shard_map().whole(), std::move(values), {}, {},
                    std::move(done));
}

const Versions& ParameterClient::versions() const { return exchanges_->versions_; }

int64_t ParameterClient::clock() const { return exchanges_->clock_; }

void ParameterClient::stop() { exchanges_->stop(); }

}  // namespace sluice::client
